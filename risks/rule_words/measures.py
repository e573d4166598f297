"""What can be done about what a rule found: titles of preventive and of contingency measures."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

MEASURES: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "M1": (
        (_("Interview lost buyers"), _("Refresh the positioning"), _("Qualify deals more strictly")),
        (_("Shift capacity to stronger segments"), _("Lower the forecast")),
    ),
    "M2": (
        (_("Plan campaigns, partners and referrals for each source"),),
        (_("Re-activate dormant customers"), _("Cut cost early")),
    ),
    "M3": (
        (_("Set a price floor"), _("Sell by value"), _("Have discounts above a limit approved")),
        (_("Bundle or re-price the offer"), _("Drop unprofitable offers")),
    ),
    "M4": (
        (_("Limit how long quotes hold"), _("Agree a price clause"), _("Hedge the currency")),
        (_("Quote again"), _("Renegotiate running contracts"), _("Sell in other regions and currencies")),
    ),
    "C1": (
        (_("Survey after each delivery"), _("Act on complaints within 48 hours")),
        (_("Executive visit"), _("Agree a recovery plan"), _("Make a retention offer")),
    ),
    "C2": (
        (_("Fix how often each size of customer is contacted"), _("Put a second contact on file")),
        (_("Manager calls the customer"), _("Make a win-back offer")),
    ),
    "C3": (
        (_("Remind of reorders"), _("Review the account with the customer")),
        (_("Make a targeted offer"), _("Find out which supplier replaced us")),
    ),
    "C4": (
        (_("Watch the agreed service levels"), _("Review quality with delivery")),
        (_("Name an owner of the escalation"), _("Give a credit note"), _("Call the customer with delivery")),
    ),
    "C5": (
        (_("Send reminders before bills are due"), _("Ask for deposits"), _("Check the customer's credit")),
        (_("Stop shipment"), _("Agree instalments"), _("Start collection")),
    ),
    "C6": (
        (_("Grow other accounts"), _("Agree terms over several years")),
        (_("Work out what the loss would mean"), _("Prepare a cost plan")),
    ),
    "C7": (
        (_("Start each renewal 120 days ahead"),),
        (_("Agree a bridge extension"), _("Meet the decision-maker")),
    ),
    "C8": (
        (_("Know two contacts for each role"),),
        (_("Be introduced to the successor within five working days"),),
    ),
    "K1": (
        (_("Prepare a comparison sheet"), _("Arrange an early reference visit")),
        (_("Win an executive sponsor"), _("Offer a pilot"), _("Prepare a list of concessions")),
    ),
    "K2": (
        (_("Show the value with a calculator"), _("Talk about the price early")),
        (_("Offer the approved fallback package"), _("Set the price at which we walk away")),
    ),
    "K3": (
        (_("Review won and lost deals"), _("List the gaps of the product")),
        (_("Make a targeted counter-offer"), _("Focus on segments where we win")),
    ),
    "K4": (
        (_("Plan the account with all its products"),),
        (_("Carry out a defence plan"), _("Offer an incentive to renew")),
    ),
    "P1": (
        (_("Review silent deals every week"), _("Set tasks for the next contact")),
        (_("Manager takes over"), _("Reassign the deal or close it")),
    ),
    "P2": (
        (_("Agree what each stage needs to be left"),),
        (_("Discuss the deal in a deal clinic"), _("Qualify it again or close it")),
    ),
    "P3": (
        (_("Confirm the date with the buyer"), _("Agree a mutual plan")),
        (_("Forecast anew"), _("Escalate the deal or close it")),
    ),
    "P4": (
        (_("Ask for the reason at each push"),),
        (_("Take the second push to the manager"), _("Take the deal out of the forecast at the third push")),
    ),
    "P5": (
        (_("Draw a contact map with a named decision-maker"),),
        (_("Call from sponsor to sponsor"),),
    ),
    "P6": (
        (_("Ask for a next step at each change of stage"),),
        (_("Manager sets the next step within two days"),),
    ),
    "P7": (
        (_("Approve discounts in steps"), _("Trade terms instead of price")),
        (_("Redesign the scope"), _("Set a stop-loss price")),
    ),
    "P8": (
        (_("Review coverage every month"), _("Plan the search for new customers")),
        (_("Make offers to sign earlier"), _("Revise the target")),
    ),
    "P9": (
        (_("Hand over by a checklist"),),
        (_("Name an interim owner"), _("Introduce the new owner by phone within five days")),
    ),
    "P10": (
        (_("Make fields required"), _("Send a weekly list of what is missing")),
        (_("Hold a clean-up day"), _("Take a cut off the forecast")),
    ),
    "L1": (
        (_("Block fulfilment in the workflow"),),
        (_("Have it reviewed by legal"), _("Sign the contract afterwards"), _("Stop delivery")),
    ),
    "L2": (
        (_("Check the limit at each order"),),
        (_("Ask for prepayment"), _("Ask for a guarantee"), _("Hold the order")),
    ),
    "L3": (
        (_("Record consent where it is given"), _("Keep a register of purposes")),
        (_("Stop processing the data"), _("Answer the request"), _("Inform legal")),
    ),
    "L4": (
        (_("Lock records at a period's end"), _("Have changes approved by a second person")),
        (_("Freeze access"), _("Audit the changes"), _("Restore the records")),
    ),
}

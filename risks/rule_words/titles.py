"""What a suggestion proposes for the register: a title, and cause, event and consequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from risks.models import Suggestion
from risks.rule_words.figures import Figures, group_of, money_at_risk, name_of, stage_of, team_of
from risks.rule_words.sentences import says
from risks.rules.rule import RULES

_LONGEST = 200  # as long as a risk's title may be

_TITLES: dict[str, Any] = {
    "M2": gettext_lazy("New demand is shrinking"),
    "C1": gettext_lazy("Satisfaction of %(name)s fell"),
    "C2": gettext_lazy("%(name)s has gone quiet"),
    "C3": gettext_lazy("%(name)s is buying less often"),
    "C4": gettext_lazy("Service problems at %(name)s"),
    "C5": gettext_lazy("Payment overdue at %(name)s"),
    "C6": gettext_lazy("Dependence on %(name)s"),
    "C7": gettext_lazy("Renewal of %(name)s not started"),
    "C8": gettext_lazy("Key contact left %(name)s"),
    "K3": gettext_lazy("Losing more to %(name)s"),
    "P1": gettext_lazy("%(name)s is not being worked on"),
    "P3": gettext_lazy("%(name)s is overdue"),
    "P4": gettext_lazy("%(name)s keeps slipping"),
    "P6": gettext_lazy("No next step on %(name)s"),
    "P7": gettext_lazy("%(name)s is losing value"),
    "P9": gettext_lazy("Unstable ownership of %(name)s"),
    "L1": gettext_lazy("Order %(name)s without contract or approval"),
    "L2": gettext_lazy("Credit limit of %(name)s exceeded"),
    "L3": gettext_lazy("Privacy duty at %(name)s"),
    "L4": gettext_lazy("Irregular changes by %(name)s"),
}


def _win_rate(suggestion: Suggestion) -> str:
    group = _group(suggestion)
    return _("Win rate in %(group)s is falling") % {"group": group} if group else _("Win rate is falling")


def _discounts(suggestion: Suggestion) -> str:
    group = _group(suggestion)
    return _("Discounts on %(group)s are rising") % {"group": group} if group else _("Discounts are rising")


def _exposure(suggestion: Suggestion) -> str:
    group = _group(suggestion)
    return _("Exposure to %(group)s") % {"group": group} if group else _("Currency or regional exposure")


def _on_deal(suggestion: Suggestion) -> str:
    said = Figures(suggestion)
    values = {"competitor": said.text("competitor"), "name": name_of(suggestion)}
    if said.above("competitors", 1):
        return _("Competitors on %(name)s") % values
    if values["competitor"] is None:
        return _("Competitor on %(name)s") % values
    return _("%(competitor)s competes for %(name)s") % values


def _undercut(suggestion: Suggestion) -> str:
    said = Figures(suggestion)
    values = {"competitor": said.text("competitor"), "name": name_of(suggestion)}
    if values["competitor"] is None or not said.above("below"):
        return _("Our price is in doubt on %(name)s") % values
    return _("%(competitor)s undercuts us on %(name)s") % values


def _entered(suggestion: Suggestion) -> str:
    values = {"competitor": Figures(suggestion).text("competitor"), "name": name_of(suggestion)}
    if values["competitor"] is None:
        return _("A competitor entered %(name)s") % values
    return _("%(competitor)s entered %(name)s") % values


def _stuck(suggestion: Suggestion) -> str:
    values = {"name": name_of(suggestion), "stage": stage_of(suggestion)}
    if values["stage"] is None:
        return _("%(name)s is stuck in its stage") % values
    return _("%(name)s is stuck in stage “%(stage)s”") % values


def _contacts(suggestion: Suggestion) -> str:
    contacts, values = Figures(suggestion).value("contacts"), {"name": name_of(suggestion)}
    if contacts is not None and contacts < 1:
        return _("No contact on %(name)s") % values
    return _("Only one contact on %(name)s") % values if contacts == 1 else _("Few contacts on %(name)s") % values


def _pipeline(suggestion: Suggestion) -> str:
    team = team_of(suggestion)
    if team is None:
        return _("The pipeline does not cover the target")
    return _("The pipeline of %(team)s does not cover the target") % {"team": team}


def _data(suggestion: Suggestion) -> str:
    team = team_of(suggestion)
    return _("Deal data of %(team)s are unreliable") % {"team": team} if team else _("Deal data are unreliable")


_TITLED_BY: dict[str, Callable[[Suggestion], str]] = {
    "M1": _win_rate,
    "M3": _discounts,
    "M4": _exposure,
    "K1": _on_deal,
    "K2": _undercut,
    "K4": _entered,
    "P2": _stuck,
    "P5": _contacts,
    "P8": _pipeline,
    "P10": _data,
}

_EVENTS: dict[str, Any] = {
    "M1": gettext_lazy("More deals are lost here than planned."),
    "M2": gettext_lazy("Too few new deals come in to reach the next targets."),
    "M3": gettext_lazy("Prices go on falling."),
    "M4": gettext_lazy("A downturn of this currency or region hits much of what we sell."),
    "C1": gettext_lazy("The customer leaves or buys less."),
    "C2": gettext_lazy("The customer turns away from us."),
    "C3": gettext_lazy("The customer buys elsewhere."),
    "C4": gettext_lazy("The customer loses confidence and leaves."),
    "C5": gettext_lazy("The customer does not pay."),
    "C6": gettext_lazy("The customer leaves, and nothing makes up for it."),
    "C7": gettext_lazy("The contract ends without a renewal."),
    "C8": gettext_lazy("Nobody at the customer speaks for us any more."),
    "K1": gettext_lazy("The competitor wins the deal."),
    "K2": gettext_lazy("The deal is lost on price, or won for too little."),
    "K3": gettext_lazy("More deals are lost to this competitor."),
    "K4": gettext_lazy("The competitor takes over more of what this customer buys."),
    "P1": gettext_lazy("The deal goes cold and is lost."),
    "P2": gettext_lazy("The deal never comes to a close."),
    "P3": gettext_lazy("The deal is lost or slips into a later period."),
    "P4": gettext_lazy("The deal slips again or is lost."),
    "P5": gettext_lazy("The contact leaves or loses interest, and the deal with it."),
    "P6": gettext_lazy("The deal goes cold and is lost."),
    "P7": gettext_lazy("The deal is lost, or won for too little."),
    "P8": gettext_lazy("The target is missed."),
    "P9": gettext_lazy("The deal is dropped between its owners."),
    "P10": gettext_lazy("Forecasts rest on data that do not hold."),
    "L1": gettext_lazy("The order is disputed, and our claim cannot be shown."),
    "L2": gettext_lazy("The customer cannot pay what it owes."),
    "L3": gettext_lazy("An authority or the person concerned takes action."),
    "L4": gettext_lazy("Figures are wrong, or data leave the company."),
}
_LOST_SALES = gettext_lazy("Sales of %(money)s may be lost.")
_UNPAID = gettext_lazy("%(money)s may not be paid.")
# Where the money is no lost sales.
_CONSEQUENCES: dict[str, Any] = {
    "C5": _UNPAID,
    "L1": _UNPAID,
    "L2": _UNPAID,
    "L4": gettext_lazy("Deals of %(money)s may be misstated."),
}


def title(suggestion: Suggestion) -> str:
    """The title of the risk that it proposes."""
    made = _TITLED_BY.get(suggestion.rule)
    text = made(suggestion) if made else str(_TITLES[suggestion.rule]) % {"name": name_of(suggestion)}
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def subject(suggestion: Suggestion) -> str:
    """Whom or what it is about, as the heading of all that is suggested about it."""
    if suggestion.subject == "team":
        return team_of(suggestion) or _("All teams")
    if suggestion.subject in ("deal", "customer", "competitor", "person", "order"):
        return name_of(suggestion)
    return capfirst(_group(suggestion)) or _("All sales")


def risk_fields(suggestion: Suggestion) -> dict[str, str]:
    """Cause, event and consequence of the risk; what fired is the cause. Without money the consequence is left open."""
    money = money_at_risk(suggestion) if suggestion.money and suggestion.money > 0 else None
    consequence = ""
    if RULES[suggestion.rule].basis == "fixed":
        consequence = _("A fine, and the trust of those whose data it is.")
    elif money is not None:
        consequence = str(_CONSEQUENCES.get(suggestion.rule, _LOST_SALES)) % {"money": money}
    return {
        "cause": " ".join(says(suggestion)),
        "event": str(_EVENTS[suggestion.rule]),
        "consequence": consequence,
    }


def _group(suggestion: Suggestion) -> str:
    """Empty for everything."""
    kind, name = group_of(suggestion)
    words = {
        "industry": _("industry “%(name)s”"),
        "region": _("region “%(name)s”"),
        "product": _("product “%(name)s”"),
        "currency": _("currency %(name)s"),
    }
    return words[kind] % {"name": name} if kind in words else name

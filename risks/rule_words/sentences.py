"""The facts that fired, as one or two sentences.

Each function below says what one rule found. A sentence is made only where all its figures are there: details are as
old as the rule that wrote them.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from risks.models import Suggestion
from risks.rule_words.figures import Figures, group_of, money_at_risk, name_of
from risks.rule_words.labels import EXPLANATIONS

_MOST = 2  # sentences
_HIGHEST_OF_DETRACTORS = 6


def says(suggestion: Suggestion) -> list[str]:
    """What fired. Where no figure was kept, what the rule watches stands for it."""
    found = _SAID_BY[suggestion.rule](Figures(suggestion))[:_MOST]
    return found or [str(EXPLANATIONS[suggestion.rule])]


def _told(sentence: str, **values: str | None) -> list[str]:
    return [] if None in values.values() else [sentence % values]


# The market


def _win_rate(said: Figures) -> list[str]:
    return [
        *_told(
            _("Lately %(rate)s of the closed deals were won, %(before)s before."),
            rate=said.percent("rate"),
            before=said.percent("earlier_rate"),
        ),
        *_told(
            _("Closed deals: %(closed)s lately, %(before)s before."),
            closed=said.number("closed"),
            before=said.number("earlier_closed"),
        ),
    ]


def _demand(said: Figures) -> list[str]:
    told = _told(
        _("New deals and leads lately: %(recent)s; usual are %(usual)s."),
        recent=said.number("recent"),
        usual=said.number("usual"),
    )
    recent = said.value("source_recent")
    if recent is not None and said.above("source_usual", recent):
        told += _told(
            _("The source “%(source)s” lacks most: %(recent)s instead of %(usual)s."),
            source=said.text("source"),
            recent=said.number("source_recent"),
            usual=said.number("source_usual"),
        )
    return told


def _prices(said: Figures) -> list[str]:
    return [
        *_told(
            _("The median discount is %(discount)s lately and was %(before)s before."),
            discount=said.percent("discount"),
            before=said.percent("earlier_discount"),
        ),
        *_told(
            _("Discounts looked at: %(deals)s lately, %(before)s before."),
            deals=said.number("deals"),
            before=said.number("earlier_deals"),
        ),
    ]


def _exposure(said: Figures) -> list[str]:
    kind, name = group_of(said.suggestion)
    exposed, share = said.money("exposed"), said.percent("share")
    if kind != "currency":
        return _told(
            _("%(exposed)s is open in %(name)s, %(share)s of the whole open amount."),
            exposed=exposed,
            name=name or name_of(said.suggestion),
            share=share,
        )
    return [
        *_told(
            _("%(exposed)s is open or unpaid in %(name)s, %(share)s of all that is."),
            exposed=exposed,
            name=name,
            share=share,
        ),
        *_told(
            _("%(name)s lost %(move)s of its value against %(home)s."),
            name=name,
            move=said.percent("move"),
            home=settings.CURRENCY,
        ),
    ]


# Customers


def _satisfaction(said: Figures) -> list[str]:
    values = {
        "score": said.number("score"),
        "scale": said.number("scale"),
        "day": said.day("day"),
        "usual": said.number("usual"),
    }
    told = _told(_("The latest score is %(score)s of %(scale)s, on %(day)s; usual is %(usual)s."), **values)
    if not told:
        values.pop("usual")
        told = _told(_("The latest score is %(score)s of %(scale)s, on %(day)s."), **values)
    score = said.value("score")
    if said.is_so("is_nps") and score is not None and score <= _HIGHEST_OF_DETRACTORS:
        told.append(_("Who answers like this would rather not recommend us."))
    return told


def _silence(said: Figures) -> list[str]:
    told = []
    if said.above("days", (said.value("limit_days") or 1) - 1):
        told += _told(
            _("The last contact was %(days)s ago, on %(day)s; the limit is %(limit)s."),
            days=said.days("days"),
            day=said.day("day"),
            limit=said.days("limit_days"),
        )
    if said.above("fall"):
        told += _told(
            _("Activities in the last 30 days: %(recent)s; usual are %(usual)s."),
            recent=said.number("recent"),
            usual=said.number("usual"),
        )
    usual = said.value("usual_days")
    if usual is not None and said.above("days", usual):
        told += _told(_("Contacts usually are %(days)s apart."), days=said.days("usual_days"))
    return told


def _orders(said: Figures) -> list[str]:
    told = []
    usual, recent = said.value("usual_days"), said.value("recent")
    if usual is not None and said.above("days", usual):
        told += _told(
            _("The last order was %(days)s ago, on %(day)s; usual is one every %(usual)s."),
            days=said.days("days"),
            day=said.day("day"),
            usual=said.days("usual_days"),
        )
    if recent is not None and said.above("earlier", recent):
        told += _told(
            _("Orders lately are worth %(recent)s, in the period before %(before)s."),
            recent=said.money("recent"),
            before=said.money("earlier"),
        )
    return told


def _tickets(said: Figures) -> list[str]:
    told = []
    if said.above("recent", said.value("usual") or 0):
        values = {"recent": said.number("recent"), "usual": said.number("usual")}
        if values["usual"] is None:
            told += _told(_("Tickets in the last 30 days: %(recent)s."), recent=values["recent"])
        told += _told(_("Tickets in the last 30 days: %(recent)s; usual are %(usual)s."), **values)
    if said.above("top_open_days"):
        told += _told(_("A ticket of top priority has been open for %(days)s."), days=said.days("top_open_days"))
    return told


def _payment(said: Figures) -> list[str]:
    return [
        *_told(
            _("%(overdue)s is overdue, %(share)s of what the customer owes."),
            overdue=said.money("overdue"),
            share=said.percent("share"),
        ),
        *_told(
            _("The oldest bill has been overdue for %(days)s; overdue bills: %(bills)s."),
            days=said.days("days"),
            bills=said.number("bills"),
        ),
    ]


def _dependence(said: Figures) -> list[str]:
    values = {"share": said.percent("revenue_share"), "revenue": said.money("revenue")}
    opened = {"open_share": said.percent("open_share"), "open": said.money("open")}
    told = _told(
        _("%(share)s of revenue (%(revenue)s) and %(open_share)s of the open amount (%(open)s) depend on it."),
        **values,
        **opened,
    )
    if not told:
        told = [
            *_told(_("%(share)s of revenue (%(revenue)s) depends on it."), **values),
            *_told(_("%(open_share)s of the open amount (%(open)s) depends on it."), **opened),
        ]
    if said.is_so("troubled"):
        told.append(_("Its satisfaction, silence or payment is a worry as well."))
    if said.above("customers", 1):
        told += _told(_("Counted with its affiliates, %(n)s customers in all."), n=said.number("customers"))
    return told


def _renewal(said: Figures) -> list[str]:
    days = said.value("days")
    if days is None:
        return []
    if days < 1:
        told = [_("A contract ends today.")]
    else:
        told = _told(_("A contract ends in %(days)s, on %(day)s."), days=said.days("days"), day=said.day("day"))
    return [*told, _("No deal is open, and nobody was in touch lately.")]


def _key_contact(said: Figures) -> list[str]:
    contact, day = said.text("contact"), said.day("day")
    told = _told(_("%(contact)s has not been active since %(day)s."), contact=contact, day=day)
    told = told or _told(_("%(contact)s is no longer active."), contact=contact)
    if said.value("remaining") == 0:
        return [*told, _("No active key contact remains.")]
    return [*told, *_told(_("Key contacts that remain: %(n)s."), n=said.number("remaining"))]


# Competitors


def _on_deal(said: Figures) -> list[str]:
    competitor, many = said.text("competitor"), said.number("competitors")
    if said.above("competitors", 1):
        told = _told(_("Competitors on this deal: %(n)s, among them %(competitor)s."), n=many, competitor=competitor)
        told = told or _told(_("Competitors on this deal: %(n)s."), n=many)
    else:
        told = _told(_("%(competitor)s is on this deal."), competitor=competitor)
        told = told or [_("A competitor is on this deal.")]
    return [*told, *_told(_("The deal is in stage “%(stage)s”."), stage=said.text("stage"))]


def _undercut(said: Figures) -> list[str]:
    told = []
    if said.above("below"):
        values = {"price": said.money("price"), "ours": said.money("our_price"), "below": said.percent("below")}
        told = _told(
            _("%(competitor)s asks %(price)s, %(below)s less than our %(ours)s."),
            competitor=said.text("competitor"),
            **values,
        )
        told = told or _told(_("A competitor asks %(price)s, %(below)s less than our %(ours)s."), **values)
    if said.is_so("objection"):
        told.append(_("The customer objects to our price."))
    return told


def _losses(said: Figures) -> list[str]:
    return [
        *_told(
            _("Lately %(share)s of the lost deals went to this competitor, %(before)s before."),
            share=said.percent("share"),
            before=said.percent("earlier_share"),
        ),
        *_told(
            _("Lost to it: %(losses)s lately, %(before)s before."),
            losses=said.number("losses"),
            before=said.number("earlier_losses"),
        ),
    ]


def _entered(said: Figures) -> list[str]:
    competitor, day = said.text("competitor"), said.day("day")
    told = _told(_("%(competitor)s won a deal here on %(day)s."), competitor=competitor, day=day)
    return [
        *(told or _told(_("A competitor won a deal here on %(day)s."), day=day)),
        *_told(_("The customer brought us %(money)s in the last twelve months."), money=money_at_risk(said.suggestion)),
    ]


# Our own process


def _inactive(said: Figures) -> list[str]:
    told = _told(
        _("Nothing was done for %(days)s; the limit is %(limit)s."), days=said.days("days"), limit=said.days("limit")
    )
    last = _told(_("The last activity was on %(day)s."), day=said.day("last"))
    return [*told, *(last or [_("No activity was ever recorded.")])] if told else last


def _stuck(said: Figures) -> list[str]:
    return [
        *_told(
            _("It has been in its stage for %(days)s; the limit is %(limit)s."),
            days=said.days("days"),
            limit=said.days("limit"),
        ),
        *_told(
            _("Half of the won deals left it within %(median)s (%(n)s deals)."),
            median=said.days("median"),
            n=said.number("won_deals"),
        ),
    ]


def _overdue(said: Figures) -> list[str]:
    return _told(
        _("It should have closed on %(day)s, %(days)s ago."), day=said.day("close_date"), days=said.days("days")
    )


def _pushed(said: Figures) -> list[str]:
    pushes = said.value("pushes")
    sentence = ngettext(
        "Its close date was moved later once since %(since)s, by %(days)s.",
        "Its close date was moved later %(n)s times since %(since)s, by %(days)s in all.",
        1 if pushes == 1 else 2,
    )
    told = _told(sentence, n=said.number("pushes"), since=said.day("since"), days=said.days("days"))
    return [*told, *_told(_("It is now %(day)s."), day=said.day("close_date"))] if told else []


def _few_contacts(said: Figures) -> list[str]:
    return [
        *_told(
            _("Buyer contacts on a deal of %(amount)s: %(n)s."), amount=said.money("amount"), n=said.number("contacts")
        ),
        *_told(_("A deal above %(limit)s counts as big."), limit=said.money("limit")),
    ]


def _next_step(said: Figures) -> list[str]:
    if said.is_so("has_step"):
        return _told(_("The next step has been the same for %(days)s, and nothing is planned."), days=said.days("days"))
    return _told(_("There has been no next step for %(days)s, and nothing is planned."), days=said.days("days"))


def _value(said: Figures) -> list[str]:
    told = []
    if said.above("shrunk"):
        told += _told(
            _("The amount fell by %(shrunk)s, from %(highest)s to %(amount)s."),
            shrunk=said.percent("shrunk"),
            highest=said.money("highest"),
            amount=said.money("amount"),
        )
    if said.above("discount"):
        told += _told(_("The discount is %(discount)s."), discount=said.percent("discount"))
    return told


def _cover(said: Figures) -> list[str]:
    told = _told(
        _("%(remaining)s is still to be sold by %(ends)s; open deals come to %(open)s, %(cover)s of it."),
        remaining=said.money("remaining"),
        ends=said.day("ends"),
        open=said.money("open"),
        cover=said.percent("cover"),
    )
    if said.above("unpriced"):
        told += _told(_("Open deals without an amount: %(n)s."), n=said.number("unpriced"))
    return told


def _ownership(said: Figures) -> list[str]:
    told = []
    if said.is_so("inactive"):
        told.append(_("Its owner is no longer active."))
    if said.is_so("overload"):
        told += _told(
            _("Its owner holds %(held)s open deals; usual in the team are %(usual)s."),
            held=said.number("held"),
            usual=said.number("usual"),
        )
    # One change is nothing beside the others.
    if said.above("changes", 1 if told else 0):
        sentence = ngettext(
            "Its owner changed once lately.",
            "Its owner changed %(n)s times lately.",
            1 if said.value("changes") == 1 else 2,
        )
        told += _told(sentence, n=said.number("changes"))
    return told


def _data(said: Figures) -> list[str]:
    return [
        *_told(_("%(filled)s of the mandatory fields of open deals are filled."), filled=said.percent("filled")),
        *_told(
            _("%(stale)s of the open deals have not changed for long (open deals: %(deals)s)."),
            stale=said.percent("stale"),
            deals=said.number("deals"),
        ),
    ]


# Compliance


def _without_contract(said: Figures) -> list[str]:
    told = _told(
        _("It was delivered or invoiced on %(day)s, %(days)s ago."), day=said.day("moved"), days=said.days("days")
    )
    return [*told, _("Neither a contract nor an approval is known.")] if told else []


def _credit(said: Figures) -> list[str]:
    told = []
    owed, ordered, limit = (said.value(name) for name in ("outstanding", "ordered", "limit"))
    if limit is not None and (owed or 0) + (ordered or 0) > limit:
        told += _told(
            _("%(owed)s is owed and %(ordered)s ordered; the limit is %(limit)s."),
            owed=said.money("outstanding"),
            ordered=said.money("ordered"),
            limit=said.money("limit"),
        )
    oldest = said.value("oldest_due")
    if oldest is not None and said.above("last_order", oldest):
        told += _told(
            _("It ordered again on %(last)s, though a bill due on %(due)s is unpaid."),
            last=said.day("last_order"),
            due=said.day("oldest_due"),
        )
    return told


def _privacy(said: Figures) -> list[str]:
    told = []
    if said.above("days"):
        told += _told(_("A privacy request has been open for %(days)s."), days=said.days("days"))
    if said.above("marketing"):
        told += _told(
            _("Marketing activities with contacts who had opted out: %(n)s."),
            n=said.number("marketing"),
        )
    return told


def _changes(said: Figures) -> list[str]:
    told = []
    if said.above("edits"):
        told += _told(
            _("Amounts or close dates edited just before a period's end without approval: %(n)s."),
            n=said.number("edits"),
        )
    if said.above("records"):
        told += _told(
            _("Deals changed in one day: %(n)s; usual are %(usual)s."),
            n=said.number("records"),
            usual=said.number("usual"),
        )
    return told


_SAID_BY: dict[str, Callable[[Figures], list[str]]] = {
    "M1": _win_rate,
    "M2": _demand,
    "M3": _prices,
    "M4": _exposure,
    "C1": _satisfaction,
    "C2": _silence,
    "C3": _orders,
    "C4": _tickets,
    "C5": _payment,
    "C6": _dependence,
    "C7": _renewal,
    "C8": _key_contact,
    "K1": _on_deal,
    "K2": _undercut,
    "K3": _losses,
    "K4": _entered,
    "P1": _inactive,
    "P2": _stuck,
    "P3": _overdue,
    "P4": _pushed,
    "P5": _few_contacts,
    "P6": _next_step,
    "P7": _value,
    "P8": _cover,
    "P9": _ownership,
    "P10": _data,
    "L1": _without_contract,
    "L2": _credit,
    "L3": _privacy,
    "L4": _changes,
}

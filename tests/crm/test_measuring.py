"""What indicators listen to, worked out of facts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm import measuring
from crm.models import Activity, Customer, Deal, Measurement, Receivable, SatisfactionScore

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 3, 2, 15, 0, tzinfo=dt.UTC)
TODAY = NOW.date()
DAY = dt.timedelta(days=1)


@pytest.fixture
def calder(cast: SimpleNamespace) -> Customer:
    return Customer.objects.create(name="Calder", team=cast.accounts)


def measured(which: str) -> list[tuple[dt.datetime, float]]:
    return list(Measurement.objects.filter(measure=which).order_by("at").values_list("at", "value"))


def measure(now: dt.datetime = NOW) -> int:
    return measuring.measure(Customer.objects.all(), now=now)


def test_every_score_a_customer_gave_is_a_measurement(calder: Customer) -> None:
    for days, value, is_nps in ((40, "4.5", False), (10, "3", False), (5, "7", True)):
        SatisfactionScore.objects.create(customer=calder, value=Decimal(value), is_nps=is_nps, at=NOW - days * DAY)
    assert measure() == 3
    assert measured("satisfaction") == [(NOW - 40 * DAY, 4.5), (NOW - 10 * DAY, 3.0)]
    assert measured("nps") == [(NOW - 5 * DAY, 7.0)]
    assert measure(NOW + DAY) == 0


def test_days_since_the_last_talk_count_what_was_two_way_and_has_happened(calder: Customer) -> None:
    for days, two_way, planned in ((12, True, False), (3, False, False), (-2, True, True), (30, True, False)):
        Activity.objects.create(customer=calder, at=NOW - days * DAY, two_way=two_way, planned=planned)
    measure()
    assert [value for _, value in measured("days_since_contact")] == [12.0]


def test_what_is_overdue_is_what_is_unpaid_past_its_day(calder: Customer) -> None:
    for days, amount, paid in ((1, 100, 0), (40, 500, 500), (20, 300, 100), (-10, 900, 0), (0, 70, 0)):
        Receivable.objects.create(customer=calder, due_on=TODAY - days * DAY, amount=amount, paid=paid)
    measure()
    assert [value for _, value in measured("overdue_receivables")] == [300.0]


def test_a_customer_who_paid_everything_owes_nothing(calder: Customer) -> None:
    Receivable.objects.create(customer=calder, due_on=TODAY - 9 * DAY, amount=10, paid=10)
    measure()
    assert [value for _, value in measured("overdue_receivables")] == [0.0]


@pytest.mark.parametrize(("won", "lost", "rate"), [(3, 2, 60.0), (2, 2, None)])
def test_a_win_rate_needs_five_closed_deals(calder: Customer, won: int, lost: int, rate: float | None) -> None:
    def close(state: str, days: int) -> None:
        Deal.objects.create(name="D", team=calder.team, customer=calder, state=state, closed_on=TODAY - days * DAY)

    for _ in range(won):
        close("won", 10)
    for _ in range(lost):
        close("lost", 179)
    close("won", 180)
    measure()
    assert [value for _, value in measured("win_rate")] == ([] if rate is None else [rate])


def test_the_same_day_is_measured_once_and_the_next_day_again(calder: Customer) -> None:
    Activity.objects.create(customer=calder, at=NOW - 5 * DAY, two_way=True)
    assert [measure(), measure(NOW + dt.timedelta(hours=2)), measure(NOW + DAY)] == [1, 0, 1]
    assert [value for _, value in measured("days_since_contact")] == [5.0, 6.0]


def test_what_is_gone_at_its_source_counts_no_more(calder: Customer) -> None:
    Receivable.objects.create(customer=calder, due_on=TODAY - DAY, amount=10, gone_at=NOW)
    assert measure() == 0


def test_statements_do_not_grow_with_the_customers(cast: SimpleNamespace, calder: Customer) -> None:
    def facts(customer: Customer) -> None:
        Activity.objects.create(customer=customer, at=NOW - 5 * DAY, two_way=True)
        Receivable.objects.create(customer=customer, due_on=TODAY - DAY, amount=10)

    def statements(now: dt.datetime) -> int:
        with CaptureQueriesContext(connection) as captured:
            measure(now)
        return len(captured)

    facts(calder)
    one = statements(NOW)
    for number in range(20):
        facts(Customer.objects.create(name=f"Customer {number}", team=cast.accounts))
    assert statements(NOW + DAY) == one


def test_indicators_take_what_is_measured(calder: Customer, cast: SimpleNamespace) -> None:
    from monitoring import indicators
    from monitoring.models import Indicator, Reading

    fields: dict[str, Any] = {"name": "Silence", "measure": "days_since_contact", "direction": "higher"}
    Indicator.objects.create(team=cast.accounts, customer=calder, warning=14, limit=30, from_crm=True, **fields)
    Activity.objects.create(customer=calder, at=NOW - 20 * DAY, two_way=True)
    assert indicators.take_from_crm(now=NOW) == 1
    assert Reading.objects.get().value == 20.0

"""How often, and when it goes further up. No database."""

from __future__ import annotations

import datetime as dt

import pytest

from monitoring.reminding import goes_to_manager, next_reminder

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(("severity", "days"), [(1, 7), (2, 3), (3, 1)])
def test_the_more_severe_the_sooner(severity: int, days: int) -> None:
    assert next_reminder(severity, now=NOW) == NOW + dt.timedelta(days=days)


@pytest.mark.parametrize("severity", [1, 2, 3])
def test_after_two_reminders_the_manager_hears_of_it(severity: int) -> None:
    assert [goes_to_manager(severity, given=n) for n in range(4)] == [False, False, True, True]


def test_another_severity_is_refused() -> None:
    with pytest.raises(KeyError):
        next_reminder(4, now=NOW)

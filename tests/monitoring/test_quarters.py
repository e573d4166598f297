"""Business quarters. No database."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.quarters import quarter_end


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("of", "year_starts_in", "end"),
    [
        ("2026-01-01", 1, "2026-03-31"),
        ("2026-03-31", 1, "2026-03-31"),
        ("2026-04-01", 1, "2026-06-30"),
        ("2026-12-31", 1, "2026-12-31"),
        ("2026-03-31", 2, "2026-04-30"),  # a year from February on
        ("2026-12-15", 2, "2027-01-31"),
        ("2028-02-29", 3, "2028-02-29"),  # a quarter that ends with a leap day
        ("2027-01-15", 3, "2027-02-28"),
        ("2026-11-30", 12, "2026-11-30"),
        ("2026-12-01", 12, "2027-02-28"),
        ("2026-05-05", 4, "2026-06-30"),  # the same quarters as from January on
    ],
)
def test_ends_on_the_last_day_of_its_third_month(of: str, year_starts_in: int, end: str) -> None:
    assert quarter_end(day(of), year_starts_in=year_starts_in) == day(end)


@given(st.dates(dt.date(2000, 1, 1), dt.date(2100, 1, 1)), st.integers(1, 12))
def test_quarters_follow_each_other_without_a_gap(of: dt.date, year_starts_in: int) -> None:
    end = quarter_end(of, year_starts_in=year_starts_in)
    assert of <= end
    assert (end - of).days < 92
    assert quarter_end(end, year_starts_in=year_starts_in) == end
    following = quarter_end(end + dt.timedelta(days=1), year_starts_in=year_starts_in)
    assert 89 <= (following - end).days <= 92
    # A business year begins with the first day of one of them.
    assert (end.month % 12 + 1 - year_starts_in) % 3 == 0

"""Reviews."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from monitoring.reviews import confirm_review
from risks.models import CoverSheet, Risk, ScoreEntry
from tests.monitoring.times import DAY, NOW

MakeRisk = Callable[..., Risk]
pytestmark = pytest.mark.usefixtures("monday_morning")


def test_a_review_is_added_with_its_reason(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - 60 * DAY)
    for n in (1, 2):
        review = confirm_review(risk=risk, because=f"look {n}", by=cast.max, on=NOW.date(), at=NOW)
        assert (review.because, review.reviewed_by, review.reviewed_on) == (f"look {n}", cast.max, NOW.date())
    assert risk.reviews.count() == 2
    assert CoverSheet.objects.get(risk=risk).review_due == NOW.date() + 90 * DAY
    assert ScoreEntry.objects.filter(risk=risk).count() == 1

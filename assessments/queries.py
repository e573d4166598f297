from __future__ import annotations

from assessments.models import Method
from assessments.stage import ScoringMethod


def active_method() -> ScoringMethod:
    """The method in force; settings.SCORE_METHOD names this function."""
    return ScoringMethod(Method.objects.get(state=Method.State.ACTIVE).spec())

"""Reads across models, named by the answer. What a person may see comes from access.py."""

from __future__ import annotations

from django.db.models import Q

from risks import similarity
from risks.access import Person, visible_risks
from risks.models import Risk

_CANDIDATES = 300


def likely_duplicates(user: Person, title: str, *, besides: int | None = None) -> list[Risk]:
    """Open risks with a title like this one, best first, at most five: two statements."""
    terms = sorted(similarity.terms(title), key=len, reverse=True)[:8]
    if not terms or len(title.strip()) < 4:
        return []
    any_term = Q()
    for term in terms:
        any_term |= Q(title__icontains=term)
    risks = visible_risks(user).open().filter(any_term)
    if besides is not None:
        risks = risks.exclude(pk=besides)
    best = similarity.most_alike(title, risks.order_by("-pk").values_list("pk", "title")[:_CANDIDATES])
    found = Risk.objects.select_related("team", "sheet", "owner").in_bulk(best)
    return [found[pk] for pk in best]

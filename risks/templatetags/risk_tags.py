"""How scores, bands and their history look. The method comes from the stage named in settings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from django import template
from django.template.context import Context

from risks import scores
from risks.access import may
from risks.models import CoverSheet, Risk, ScoreEntry
from risks.models.category import localised

register = template.Library()


def bands_of(context: Context, version: int | None = None) -> tuple[Any, ...]:
    """The bands in force, or those of the version a score was made with; asked for once per page.

    While the register is re-scored under a new version, some scores still have the old one's bands.
    """
    kept: dict[int | None, tuple[Any, ...]] = context.render_context.setdefault("_bands", {})
    if not kept:
        bands = tuple(context.get("bands") or scores.active_method().bands)
        kept |= {None: bands, bands[0].version: bands}
    if version not in kept:
        kept[version] = tuple(scores.bands_of(version))
    return kept[version]


@register.filter
def words(label: Any) -> str:
    """A scale's label in the language of the page."""
    return localised(label.en, label.zh)


@register.inclusion_tag("risks/_band.html", takes_context=True)
def band_badge(
    context: Context, position: int | None, score: float | None = None, version: int | None = None
) -> dict[str, Any]:
    bands = bands_of(context, version) if position else ()
    known = position is not None and 1 <= position <= len(bands)
    return {"band": bands[position - 1] if known and position else None, "score": score}


@register.simple_tag(takes_context=True)
def band_of(context: Context, sheet: CoverSheet) -> Any:
    """The band on a cover sheet, or None."""
    return bands_of(context, sheet.method_version)[sheet.band - 1] if sheet.band else None


@register.simple_tag(takes_context=True)
def permitted(context: Context, deed: Any, risk: Risk) -> bool:
    return may(context["request"].user, deed, risk)


@register.inclusion_tag("risks/_score_chart.html", takes_context=True)
def score_chart(
    context: Context, entries: list[ScoreEntry], restated: Sequence[float | None] | None = None
) -> dict[str, Any]:
    """A score's history as steps over time, as judged then and as restated by today's method, with a mark where the
    method changed; drawn on a grid of 600 x 100, score 0 at the bottom."""
    points = [
        (entry, again) for entry, again in zip(entries, restated or [None] * len(entries), strict=True)
        if entry.score is not None
    ]  # fmt: skip
    if not points:
        return {"known": []}
    known = [entry for entry, _ in points]
    start, end = known[0].at.timestamp(), known[-1].at.timestamp()
    span = (end - start) or 1.0

    def x(entry: ScoreEntry) -> float:
        return round(8 + 584 * (entry.at.timestamp() - start) / span if len(known) > 1 else 300.0, 1)

    path = _steps([(x(entry), entry.score) for entry in known])
    changes = [
        {"x": x(entry), "entry": entry, "version": entry.method_version}
        for before, entry in pairwise(known)
        if before.method_version != entry.method_version
    ]
    again = _steps([(x(entry), score) for entry, score in points if score is not None]) if changes else ""
    tops = [*(b.threshold for b in bands_of(context)[1:]), 100.0]
    stripes = [
        {"colour": band.colour, "y": 100 - top, "height": top - band.threshold}
        for band, top in zip(bands_of(context), tops, strict=True)
    ]
    return {"known": known, "path": path, "again": again, "changes": changes, "stripes": stripes}


def _steps(points: Sequence[tuple[float, float | None]]) -> str:
    """An SVG path that keeps each value until the next."""
    drawn = [(x, round(100 - (score or 0.0), 1)) for x, score in points]
    if not drawn:
        return ""
    return f"M{drawn[0][0]} {drawn[0][1]}" + "".join(f"H{x}V{y}" for x, y in drawn[1:])


@register.inclusion_tag("risks/_waterfall.html")
def waterfall(entry: ScoreEntry | None) -> dict[str, Any]:
    """From the judged exposure over each step to the result, as bars of 0 to 300 wide."""
    if entry is None or not entry.factors:
        return {"steps": []}
    greatest = max(step["exposure"] for step in entry.factors) or 1.0
    steps = []
    before = 0.0
    for step in entry.factors:
        after = step["exposure"]
        low, high = sorted((before, after)) if step["kind"] != "judgement" else (0.0, after)
        steps.append(
            {
                **step,
                "change": after - before if step["kind"] != "judgement" else None,
                "x": round(300 * low / greatest, 1),
                "width": max(1.0, round(300 * (high - low) / greatest, 1)),
                "direction": "base" if step["kind"] == "judgement" else "up" if after > before else "down",
            }
        )
        before = after
    return {"steps": steps, "entry": entry, "result_width": max(1.0, round(300 * before / greatest, 1))}

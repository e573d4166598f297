"""How scores, bands and their history look. The method comes from the stage named in settings."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import Context

from risks import scores
from risks.access import may
from risks.models import Risk, ScoreEntry
from risks.models.category import localised

register = template.Library()


def bands_of(context: Context) -> tuple[Any, ...]:
    """The bands in force, asked for once per page."""
    kept = context.render_context.get("_bands") or context.get("bands")
    if kept is None:
        kept = scores.active_method().bands
    context.render_context["_bands"] = kept
    return tuple(kept)


@register.filter
def words(label: Any) -> str:
    """A scale's label in the language of the page."""
    return localised(label.en, label.zh)


@register.inclusion_tag("risks/_band.html", takes_context=True)
def band_badge(context: Context, position: int | None, score: float | None = None) -> dict[str, Any]:
    bands = bands_of(context)
    known = position is not None and 1 <= position <= len(bands)
    return {"band": bands[position - 1] if known and position else None, "score": score}


@register.simple_tag(takes_context=True)
def permitted(context: Context, deed: Any, risk: Risk) -> bool:
    return may(context["request"].user, deed, risk)


@register.inclusion_tag("risks/_score_chart.html", takes_context=True)
def score_chart(context: Context, entries: list[ScoreEntry], *, large: bool = False) -> dict[str, Any]:
    """A score's history as steps over time; drawn on a grid of 600 x 100, score 0 at the bottom."""
    known = [e for e in entries if e.score is not None]
    if not known:
        return {"known": []}
    start, end = known[0].at.timestamp(), known[-1].at.timestamp()
    span = (end - start) or 1.0

    def x(entry: ScoreEntry) -> float:
        return 8 + 584 * (entry.at.timestamp() - start) / span if len(known) > 1 else 300.0

    dots = [{"x": round(x(e), 1), "y": round(100 - (e.score or 0), 1), "entry": e} for e in known]
    path = f"M{dots[0]['x']} {dots[0]['y']}" + "".join(f"H{d['x']}V{d['y']}" for d in dots[1:])
    tops = [*(b.threshold for b in bands_of(context)[1:]), 100.0]
    stripes = [
        {"colour": band.colour, "y": 100 - top, "height": top - band.threshold}
        for band, top in zip(bands_of(context), tops, strict=True)
    ]
    return {"known": known, "dots": dots, "path": path, "stripes": stripes, "large": large}


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

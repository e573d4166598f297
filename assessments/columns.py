"""The assess stage's columns of the register file: the current judgement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from django.utils.translation import gettext as _

from assessments.actions import Judgement, assess_risks
from assessments.method import Level
from assessments.models import Assessment
from assessments.queries import active_method
from crm.spreadsheets import cells
from crm.spreadsheets.cells import BadCell, DateOrder
from crm.spreadsheets.table import Cell
from riskreg.accounts.models import Team
from risks.models import Risk
from risks.models.category import localised
from risks.register import Changes, Column, Problem, Value

# What other registers call the five steps of a scale, mildest first; used where a method has five levels.
_LIKELIHOOD_WORDS = (
    ("very low", "very unlikely", "remote", "improbable", "极低", "很低"),
    ("low", "seldom", "低", "较低"),
    ("medium", "moderate", "occasional", "中", "中等"),
    ("high", "probable", "高", "较高"),
    ("very high", "certain", "frequent", "很高", "极高"),
)
_IMPACT_WORDS = (
    ("very low", "insignificant", "trivial", "极低", "很低", "轻微"),
    ("low", "低", "较低"),
    ("medium", "中"),
    ("high", "significant", "serious", "高", "较高"),
    ("very high", "critical", "catastrophic", "extreme", "很高", "极高", "灾难性"),
)
_BASES = {
    "historical": ("historical", "historical data", "历史数据"),
    "market_research": ("market research", "market_research", "市场调研"),
    "expert": ("expert", "expert opinion", "专家意见"),
}
_IMPACT_PREFIX = "impact."


def columns() -> list[Column]:
    spec = active_method().spec
    basis_words = dict(Assessment.Basis.choices)
    made = [
        Column(
            "likelihood",
            _("Likelihood"),
            ("likelihood", "probability", "probability level", "likelihood level", "probability of occurrence", "chance",
             "可能性", "概率", "发生概率", "可能性等级"),
            _level(spec.likelihood, _LIKELIHOOD_WORDS),
        )
    ]  # fmt: skip
    for dimension in spec.dimensions:
        primary = dimension is spec.primary
        en, zh = dimension.label.en, dimension.label.zh
        aliases = [f"{en} impact", f"impact: {en}", f"{en} impact level", f"{zh}影响", f"{zh}影响等级"]
        if primary:
            aliases += ["impact", "impact level", "severity", "consequence level", "impact rating", "影响", "影响程度",
                        "影响等级", "严重程度"]  # fmt: skip
        made.append(
            Column(
                _IMPACT_PREFIX + dimension.key,
                _("%(dimension)s impact") % {"dimension": localised(en, zh)},
                tuple(aliases),
                _level(dimension.levels, _IMPACT_WORDS),
            )
        )
    made += [
        Column(
            "basis",
            _("Basis"),
            ("basis", "likelihood basis", "依据类型", "依据"),
            _basis,
            show=lambda value: str(basis_words.get(value, "")) if value else "",
        ),
        Column("evidence", _("Evidence"), ("evidence", "rationale", "justification", "证据", "理由"), _evidence),
        Column(
            "assessed_on",
            _("Assessed on"),
            ("assessed on", "last assessed", "last reviewed", "last review", "date assessed", "评估日期", "最近评估",
             "最近评审"),
            lambda cell, order: d.isoformat() if (d := cells.parse_date(cell, order)) else None,
            show=lambda value: dt.date.fromisoformat(value) if value else None,
            is_date=True,
        ),
    ]  # fmt: skip
    return made


def _level(levels: Sequence[Level], words: Sequence[Sequence[str]]) -> Callable[[Cell, DateOrder], int | None]:
    known = [
        (level.label.en, level.label.zh, *(words[i] if len(levels) == len(words) else ()))
        for i, level in enumerate(levels)
    ]
    ranges = [(level.low, level.high) for level in levels]

    def parse(cell: Cell, _order: DateOrder) -> int | None:
        return cells.parse_level(cell, known, ranges)

    return parse


def _basis(cell: Cell, _order: DateOrder) -> str:
    word = cells.text(cell).strip().lower()
    for basis, spellings in _BASES.items():
        if word in spellings:
            return basis
    if not word:
        return ""
    raise BadCell("basis", cell)


def _evidence(cell: Cell, _order: DateOrder) -> str:
    text = cells.text(cell)
    if len(text) > 5000:
        raise BadCell("too_long", text)
    return text


def read(risks: Sequence[Risk]) -> dict[int, dict[str, Value]]:
    """The current judgements, in the levels of the method in force."""
    method = active_method()
    values: dict[int, dict[str, Value]] = {}
    for a in Assessment.objects.filter(risk__in=[r.pk for r in risks], is_current=True):
        likelihood, impacts = method.levels(a)
        values[a.risk_id] = {
            "likelihood": likelihood,
            **{_IMPACT_PREFIX + key: level for key, level in impacts.items()},
            "basis": a.basis,
            "evidence": cells.text(a.evidence),
            "assessed_on": a.assessed_on.isoformat(),
        }
    return values


def check(values: Mapping[str, Value], team: Team | None) -> list[Problem]:
    """Half a judgement is none: said as a note, and the risk stays unassessed."""
    likelihood, impacts = values.get("likelihood"), _impacts(values)
    if bool(likelihood) != bool(impacts):
        given = "likelihood" if likelihood else _IMPACT_PREFIX + next(iter(impacts))
        return [Problem("half_judged", given, "")]
    return []


def _impacts(values: Mapping[str, Value]) -> dict[str, int]:
    return {key[len(_IMPACT_PREFIX) :]: v for key, v in values.items() if key.startswith(_IMPACT_PREFIX) and v}


def apply(changes: Changes) -> None:
    """Add a judgement to each risk whose row states another one than stands there."""
    stands = read([c.risk for c in changes.items])
    ours = ("likelihood", "basis", "evidence", "assessed_on")
    judgements, cleared = [], []
    for change in changes.items:
        before = stands.get(change.risk.pk, {})
        stated = {k: v for k, v in change.values.items() if k in ours or k.startswith(_IMPACT_PREFIX)}
        after = {**before, **stated}
        if stated.get("likelihood", 0) is None:
            cleared.append(change.risk.pk)  # an undone import takes back the first judgement
        elif after != before and after.get("likelihood") and _impacts(after):
            judgements.append(
                Judgement(
                    risk_id=change.risk.pk,
                    likelihood=after["likelihood"],
                    impacts=_impacts(after),
                    basis=after.get("basis") or Assessment.Basis.EXPERT,
                    evidence=after.get("evidence") or "",
                    on=_day(after.get("assessed_on")) or changes.at.date(),
                )
            )
    if changes.restores:
        cleared += [judgement.risk_id for judgement in judgements]
    Assessment.objects.filter(risk__in=cleared, is_current=True).update(is_current=False)
    assess_risks(judgements=judgements, by=changes.by, at=changes.at)


def _day(value: str | None) -> dt.date | None:
    return dt.date.fromisoformat(value) if value else None

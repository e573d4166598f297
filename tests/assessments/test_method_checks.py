"""Every code of the checks once, and their promises on definitions that are mangled in any way."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessments.check_messages import MESSAGES
from assessments.default_method import DEFAULT_METHOD
from assessments.method import BadMethod, Label, read_method
from assessments.method_checks import ADVICE, ERROR, Problem, check, readable

CATEGORIES = ("competitor", "process")
Change = Callable[[dict[str, Any]], object]
# The bands the default method gives the cells, the rarest row first.
PAINTED = [[1, 1, 1, 2, 3], [1, 1, 2, 3, 3], [1, 2, 2, 3, 4], [1, 2, 3, 4, 4], [2, 2, 3, 4, 4]]


def found(*changes: Change) -> list[Problem]:
    definition = copy.deepcopy(DEFAULT_METHOD)
    for change in changes:
        change(definition)
    return check(definition, CATEGORIES)


def put(*path: str | int, value: object) -> Change:
    def change(definition: dict[str, Any]) -> None:
        place: Any = definition
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def drop(*path: str | int) -> Change:
    def change(definition: dict[str, Any]) -> None:
        place: Any = definition
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


def painted(**cells: int) -> Change:
    """Formula *matrix* as the default colours it, but for cells such as ``l2i3=4``."""

    def change(definition: dict[str, Any]) -> None:
        definition["formula"], definition["matrix"] = "matrix", copy.deepcopy(PAINTED)
        for name, band in cells.items():
            definition["matrix"][int(name[1]) - 1][int(name[3]) - 1] = band

    return change


def levels_of(bounds: list[float], **more: Any) -> list[dict[str, Any]]:
    return [
        {"label": {"en": f"Level {n}", "zh": ""}, "low": low, "high": high, **more}
        for n, (low, high) in enumerate(itertools.pairwise(bounds))
    ]


def test_the_default_method_has_no_error_and_gives_no_advice() -> None:
    assert check(DEFAULT_METHOD, CATEGORIES) == []


def words(likelihood: str, impact: str, band: str, prefix: str = "") -> dict[str, Label]:
    """What names a cell of the default method in a finding."""
    zh = {
        "Rare": "罕见", "Unlikely": "不太可能", "Possible": "可能", "Likely": "很可能", "Almost certain": "几乎肯定",
        "Negligible": "可忽略", "Minor": "较小", "Moderate": "中等", "Major": "较大", "Severe": "严重",
    }  # fmt: skip
    bands = {"Low": "低", "Moderate": "中", "High": "高", "Critical": "极高"}
    return {
        f"{prefix}likelihood": Label(likelihood, zh[likelihood]),
        f"{prefix}impact": Label(impact, zh[impact]),
        f"{prefix}band": Label(band, bands[band]),
    }


FINANCIAL: tuple[str, int, str] = ("dimensions", 0, "levels")
CASES: dict[str, tuple[Change, list[Problem]]] = {
    "unreadable": (
        put("likelihood", 0, "label", value="Rare"),
        [Problem("unreadable", ("likelihood", 0, "label"))],
    ),
    "choice": (put("combination", value="median"), [Problem("choice", ("combination",))]),
    "number_missing": (
        put("likelihood", 4, "high", value=" "),
        [Problem("number_missing", ("likelihood", 4, "high"))],
    ),
    "number": (
        put(*FINANCIAL, 4, "high", value="lots"),
        [Problem("number", (*FINANCIAL, 4, "high"), {"typed": "lots"})],
    ),
    "probability": (put("likelihood", 4, "high", value=1), [Problem("probability", ("likelihood", 4, "high"))]),
    "money": (put(*FINANCIAL, 0, "low", value=0), [Problem("money", (*FINANCIAL, 0, "low"))]),
    "level_count": (
        lambda d: d.update(likelihood=d["likelihood"][:2]),
        [Problem("level_count", ("likelihood",), {"fewest": 3, "most": 10, "has": 2})],
    ),
    "levels_differ": (
        lambda d: d["dimensions"][2]["levels"].pop(),
        [Problem("levels_differ", ("dimensions", 2, "levels"), {"has": 4, "wanted": 5})],
    ),
    "level_reversed": (
        put("likelihood", 4, "high", value=0.5),
        [Problem("level_reversed", ("likelihood", 4, "high"), {"begins": 0.6, "ends": 0.5})],
    ),
    "level_gap": (
        put("likelihood", 2, "low", value=0.12),
        [Problem("level_gap", ("likelihood", 2, "low"), {"level": 3, "begins": 0.12, "previous": 2, "ends": 0.1})],
    ),
    "level_overlap": (
        put(*FINANCIAL, 1, "low", value=9_000),
        [
            Problem(
                "level_overlap", (*FINANCIAL, 1, "low"), {"level": 2, "begins": 9_000, "previous": 1, "ends": 10_000}
            )
        ],
    ),
    "level_order": (
        lambda d: d["likelihood"][4].update(low=0.02, high=0.03),
        [Problem("level_order", ("likelihood", 4, "low"), {"level": 5, "begins": 0.02, "previous": 4, "ends": 0.6})],
    ),
    "label_missing": (
        put("bands", 1, "label", value={"en": " ", "zh": ""}),
        [Problem("label_missing", ("bands", 1, "label", "en"))],
    ),
    "label_double": (
        put("likelihood", 3, "label", value={"en": "rare", "zh": "很少"}),
        [Problem("label_double", ("likelihood", 3, "label", "en"), {"label": "rare", "other": 1})],
    ),
    "dimension_count": (
        put("dimensions", value=[]),
        [Problem("dimension_count", ("dimensions",), {"fewest": 1, "most": 8, "has": 0})],
    ),
    "key": (put("dimensions", 1, "key", value=""), [Problem("key", ("dimensions", 1, "key"))]),
    "key_double": (
        put("dimensions", 1, "key", value="financial"),
        [Problem("key_double", ("dimensions", 1, "key"), {"other": 1})],
    ),
    "weight": (put("dimensions", 1, "weight", value=-0.1), [Problem("weight", ("dimensions", 1, "weight"))]),
    "weightless": (
        lambda d: [dimension.update(weight=0) for dimension in d["dimensions"]],
        [Problem("weightless", ("dimensions", 0, "weight"))],
    ),
    "band_count": (
        lambda d: d.update(bands=d["bands"][:1]),
        [Problem("band_count", ("bands",), {"fewest": 2, "most": 8, "has": 1})],
    ),
    "threshold_first": (
        put("bands", 0, "threshold", value=5),
        [Problem("threshold_first", ("bands", 0, "threshold"))],
    ),
    "threshold": (put("bands", 3, "threshold", value=101), [Problem("threshold", ("bands", 3, "threshold"))]),
    "threshold_order": (
        put("bands", 3, "threshold", value=58),
        [Problem("threshold_order", ("bands", 3, "threshold"), {"below": 58})],
    ),
    "colour": (put("bands", 0, "colour", value="pink"), [Problem("colour", ("bands", 0, "colour"))]),
    "review_days": (
        put("bands", 2, "review_days", value=0.5),
        [Problem("review_days", ("bands", 2, "review_days"), {"most": 3650})],
    ),
    "tolerable_order": (
        put("bands", 0, "tolerable", value=False),
        [Problem("tolerable_order", ("bands", 1, "tolerable"), {"lower": Label("Low", "低")})],
    ),
    "appetite_category": (
        put("appetite", value={"weather": 2}),
        [Problem("appetite_category", ("appetite", "weather"), {"category": "weather"})],
    ),
    "appetite_band": (
        put("appetite", value={"competitor": 2, "process": 5}),
        [Problem("appetite_band", ("appetite", "process"))],
    ),
    "matrix_cell": (
        painted(l2i3=0, l4i1=5),
        [Problem("matrix_cell", ("cell", 2, 3), {"count": 2})],
    ),
    "matrix_size": (
        lambda d: d.update(formula="matrix", matrix=[*PAINTED, [1] * 5]),
        [Problem("matrix_size", ("cells",), {"rows": 5, "columns": 5})],
    ),
    "milder": (
        painted(l4i4=2),
        [
            Problem(
                "milder",
                ("cell", 4, 4),
                {**words("Likely", "Major", "Moderate"), **words("Possible", "Major", "High", "other_")}
                | {"risk": 0, "other_risk": 0, "count": 1},
            )
        ],
    ),
    "colour_twice": (
        put("bands", 2, "colour", value="yellow"),
        [Problem("colour_twice", ("bands", 2, "colour"), {"lower": Label("Moderate", "中")}, ADVICE)],
    ),
    "hidden": (
        put("combination", value="weighted"),
        [
            Problem(
                "hidden",
                ("combination",),
                {"dimension": Label("Reputation", "声誉"), "level": 5, "combined": 2},
                ADVICE,
            )
        ],
    ),
    "few_bands": (
        lambda d: d.update(bands=[d["bands"][0], d["bands"][3]]),
        [Problem("few_bands", ("bands",), {"has": 2}, ADVICE)],
    ),
    "edge": (
        painted(l1i5=4, l2i5=4, l3i4=4, l5i3=4),
        [
            Problem(
                "edge",
                ("cell", 1, 5),
                {**words("Rare", "Severe", "Critical"), **words("Rare", "Severe", "Critical", "other_")}
                | {"risk": 0, "other_risk": 0, "count": 1},
                ADVICE,
            )
        ],
    ),
    # A broad red corner: 0.1 x 50 000 is red, 0.03 x 250 000 green, and the greens touch it.
    "outweighed": (
        painted(l3i3=4, l3i4=4, l4i3=4, l5i3=4),
        [
            Problem(
                "outweighed",
                ("cell", 3, 3),
                {**words("Possible", "Moderate", "Critical"), **words("Rare", "Moderate", "Low", "other_")}
                | {"risk": pytest.approx(5_000), "other_risk": pytest.approx(7_500), "count": 1},
                ADVICE,
            ),
            Problem(
                "step",
                ("cell", 3, 3),
                {**words("Possible", "Moderate", "Critical"), **words("Unlikely", "Minor", "Low", "other_")}
                | {"risk": 0, "other_risk": 0, "count": 1},
                ADVICE,
            ),
            Problem(
                "colouring",
                ("cell", 3, 3),
                {**words("Possible", "Moderate", "Critical"), **words("Unlikely", "Severe", "High", "other_")}
                | {
                    "risk": pytest.approx(math.sqrt(0.1 * 0.3 * 50_000 * 250_000)),
                    "other_risk": pytest.approx(math.sqrt(0.03 * 0.1 * 1_000_000 * 5_000_000)),
                    "count": 2,
                },
                ADVICE,
            ),
        ],
    ),
    "uneven": (
        put("dimensions", 2, "levels", value=levels_of([2_000, 4_000, 250_000, 500_000, 1_000_000, 5_000_000])),
        [
            Problem(
                "uneven",
                ("dimensions", 2, "levels", 1, "high"),
                {"level": 2, "width": 62.5, "previous": 1, "its": 2, "count": 2},
                ADVICE,
            )
        ],
    ),
    "colouring": (
        put("formula", value="product"),
        [
            Problem(
                "colouring",
                ("cell", 5, 2),
                {**words("Almost certain", "Minor", "Moderate"), **words("Rare", "Severe", "Low", "other_")}
                | {
                    "risk": pytest.approx(math.sqrt(0.6 * 0.95 * 10_000 * 50_000)),
                    "other_risk": pytest.approx(math.sqrt(0.01 * 0.03 * 1_000_000 * 5_000_000)),
                    "count": 1,
                },
                ADVICE,
            )
        ],
    ),
}


@pytest.mark.parametrize("code", CASES)
def test_finds(code: str) -> None:
    change, problems = CASES[code]
    assert found(change) == problems
    assert problems[0].code == code


def test_every_code_with_words_has_a_case() -> None:
    assert {problem.code for _change, problems in CASES.values() for problem in problems} == set(MESSAGES)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        # One mistake is said once, however much hangs on it.
        ([put("likelihood", 2, "low", value=0.5)], ["level_reversed"]),
        ([put("likelihood", 2, "low", value="")], ["number_missing"]),
        ([put("dimensions", 1, "label", value={}), put("dimensions", 1, "key", value="")], ["label_missing"]),
        ([put("likelihood", value=[])], ["level_count"]),
        ([put("likelihood", 0, "low", value=True)], ["number_missing"]),
        ([put("likelihood", 0, "low", value=1e-12)], ["probability"]),
        ([put("bands", 0, "tolerable", value="yes")], ["choice"]),
        ([put("bands", 0, "review_days", value=30.0)], ["review_days"]),
        ([put("formula", value="addition")], ["choice"]),
        ([drop("combination")], ["choice"]),
        ([put("appetite", value=["competitor"])], ["unreadable"]),
        ([put("formula", value="matrix")], ["matrix_cell"]),
        # A Chinese name that another level shows for want of an English one.
        (
            [
                put("likelihood", 0, "label", value={"en": "", "zh": "同"}),
                put("likelihood", 1, "label", value={"en": "", "zh": "同"}),
            ],
            ["label_double"],
        ),
        # All weights on one dimension are no mistake, and neither is an appetite for nothing.
        ([put("dimensions", 1, "weight", value=0), put("appetite", value={"process": 0})], []),
    ],
)
def test_says_each_mistake_once(changes: list[Change], codes: list[str]) -> None:
    assert [problem.code for problem in found(*changes)] == codes


def test_names_that_are_missing_do_not_keep_the_matrix_from_being_judged() -> None:
    problems = found(put("likelihood", 0, "label", value={}), put("formula", value="product"))
    assert [(p.code, p.severity) for p in problems] == [("label_missing", ERROR), ("colouring", ADVICE)]
    assert problems[1].params["other_likelihood"] == Label("1", "")


# --- on anything -----------------------------------------------------------------------------------------

numbers = st.one_of(
    st.integers(-5, 5), st.floats(), st.sampled_from([10**400, 1e-300, 1e300, 0.5, 35, 50_000, 10**15, True])
)
anything = st.recursive(
    st.one_of(st.none(), numbers, st.sampled_from(["", "lots", "0.5", "matrix", "product", "green", "财务"])),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["en", "low"]), inner)),
    max_leaves=6,
)


def paths(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a definition."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, inner in steps for path in [(*at, key), *paths(inner, (*at, key))]]


def numbers_in(definition: dict[str, Any]) -> list[tuple[str | int, ...]]:
    """The places of the single numbers somebody types."""
    return [
        path
        for path in paths(definition)
        if path[-1] in ("low", "high", "weight", "threshold", "review_days")
        or (path[0] == "matrix" and len(path) == 3)
        or (path[0] == "appetite" and len(path) == 2)
    ]


def full() -> dict[str, Any]:
    definition = copy.deepcopy(DEFAULT_METHOD)
    return definition | {"formula": "matrix", "matrix": copy.deepcopy(PAINTED), "appetite": {"competitor": 2}}


@st.composite
def mangled(draw: st.DrawFn) -> dict[str, Any]:
    """A definition in which up to four things were replaced, taken away or doubled."""
    definition = full()
    definition["formula"] = draw(st.sampled_from(["exposure", "product", "matrix"]))
    for _ in range(draw(st.integers(0, 4))):
        path = draw(st.sampled_from(paths(definition)))
        holder: Any = definition
        for step in path[:-1]:
            holder = holder[step]
        deed = draw(st.sampled_from(["replace", "drop", "double"]))
        if deed == "replace":
            holder[path[-1]] = draw(anything)
        elif deed == "drop":
            del holder[path[-1]]
        elif isinstance(holder, list):
            holder.insert(int(path[-1]), copy.deepcopy(holder[int(path[-1])]))
    return definition


def accepts(definition: dict[str, Any]) -> bool:
    try:
        read_method(definition, version=1)
    except BadMethod:
        return False
    return True


@settings(max_examples=200)
@given(mangled())
def test_never_raises_and_without_errors_the_method_reads(definition: dict[str, Any]) -> None:
    problems = check(definition, CATEGORIES)
    if not any(problem.severity == ERROR for problem in problems):
        assert accepts(definition)
    spec = readable(definition, problems)
    assert spec is None or spec == read_method(definition, version=0)


@given(anything)
def test_never_raises_whatever_it_is_given(value: Any) -> None:
    assert check(value, CATEGORIES)


# What read_method has nothing against: how a method reads, not whether it scores.
STRICTER = {
    "label_missing", "label_double", "tolerable_order", "appetite_category", "milder", "key", "band_count",
    "review_days", "probability", "money", "weight",
}  # fmt: skip


@st.composite
def renumbered(draw: st.DrawFn) -> dict[str, Any]:
    """A definition in which only numbers were changed or rows taken away and doubled: all types are right."""
    definition = full()
    definition["formula"] = draw(st.sampled_from(["exposure", "product", "matrix"]))
    for _ in range(draw(st.integers(1, 4))):
        rows = [path for path in paths(definition) if isinstance(path[-1], int)]
        path = draw(st.sampled_from(numbers_in(definition) + rows))
        holder: Any = definition
        for step in path[:-1]:
            holder = holder[step]
        value = holder[path[-1]]
        if isinstance(value, int | float):
            near = [value * 2, value + 1, -value, 0, 1, 5, 35]
            holder[path[-1]] = draw(st.sampled_from(near if path[0] not in ("matrix", "appetite") else [0, 1, 4, 5]))
        elif draw(st.booleans()) and isinstance(holder, list):
            holder.insert(int(path[-1]), copy.deepcopy(value))
        elif isinstance(holder, list):
            del holder[int(path[-1])]
    return definition


@settings(max_examples=200)
@given(renumbered())
def test_a_method_that_reads_has_no_errors_but_those_that_are_stricter_on_purpose(definition: dict[str, Any]) -> None:
    errors = {problem.code for problem in check(definition, CATEGORIES) if problem.severity == ERROR}
    if accepts(definition):
        assert errors <= STRICTER
    else:
        assert errors

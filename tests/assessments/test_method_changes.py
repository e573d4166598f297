"""Rows come and go, and what hangs on them follows."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessments.default_method import DEFAULT_METHOD
from assessments.method_changes import CHANGES, colours_of_exposure, rebuilt
from assessments.method_checks import check
from tests.assessments.test_method_checks import PAINTED, numbers_in

BLANK = {"en": "", "zh": ""}


def default(**more: Any) -> dict[str, Any]:
    return copy.deepcopy(DEFAULT_METHOD) | {"formula": "exposure", "appetite": {}} | copy.deepcopy(more)


def test_a_new_likelihood_level_takes_half_of_what_is_left_to_certainty() -> None:
    definition, focus = rebuilt(default(), "add-likelihood-level")
    assert definition["likelihood"][5:] == [{"label": BLANK, "low": 0.95, "high": 0.975}]
    assert focus == "likelihood-5-label-en"
    again, _focus = rebuilt(definition, "add-likelihood-level")
    assert again["likelihood"][6:] == [{"label": BLANK, "low": 0.975, "high": 0.9875}]


def test_a_new_impact_level_grows_as_the_last_one_in_every_dimension() -> None:
    definition, focus = rebuilt(default(), "add-impact-level")
    new = {"label": BLANK, "low": 5_000_000, "high": 25_000_000, "descriptor": BLANK}
    assert [dimension["levels"][5:] for dimension in definition["dimensions"]] == [[new]] * 3
    assert focus == "dimensions-0-levels-5-label-en"


def test_a_level_after_one_without_bounds_is_left_open() -> None:
    start = default()
    start["likelihood"][-1]["high"] = "nearly 1"
    definition, _focus = rebuilt(start, "add-likelihood-level")
    assert definition["likelihood"][5] == {"label": BLANK, "low": "nearly 1", "high": ""}


def test_a_painted_matrix_follows_its_levels() -> None:
    definition = default(formula="matrix", matrix=PAINTED)
    for change in ("add-likelihood-level", "add-impact-level"):
        definition, _focus = rebuilt(definition, change)
    assert definition["matrix"] == [*([*row, row[-1]] for row in PAINTED), [2, 2, 3, 4, 4, 4]]
    for change in ("remove-impact-level", "remove-likelihood-level"):
        definition, _focus = rebuilt(definition, change)
    assert definition["matrix"] == PAINTED


def test_a_new_dimension_has_the_scale_of_the_first_without_its_words() -> None:
    definition, focus = rebuilt(default(), "add-dimension")
    first, new = definition["dimensions"][0], definition["dimensions"][3]
    assert (new["key"], new["label"], new["weight"]) == ("", BLANK, 0.25)
    assert new["levels"] == [level | {"descriptor": BLANK} for level in first["levels"]]
    assert focus == "dimensions-3-label-en"


def test_the_second_dimension_becomes_the_primary_one() -> None:
    definition, focus = rebuilt(default(), "remove-dimension-0")
    assert [dimension["key"] for dimension in definition["dimensions"]] == ["reputation", "market_share"]
    assert focus == "add-dimension"


def test_a_new_band_lies_halfway_to_the_top_in_a_colour_of_its_own() -> None:
    definition, focus = rebuilt(default(), "add-band")
    assert definition["bands"][4:] == [
        {"label": BLANK, "threshold": 88, "colour": "lime", "review_days": 7, "tolerable": False}
    ]
    assert focus == "bands-4-label-en"


def test_nothing_names_a_band_that_is_gone() -> None:
    start = default(formula="matrix", matrix=PAINTED, appetite={"competitor": 4, "process": 1})
    definition, focus = rebuilt(start, "remove-band")
    assert definition["appetite"] == {"competitor": 3, "process": 1}
    assert definition["matrix"][4] == [2, 2, 3, 3, 3]
    assert focus == "remove-band"


def test_painting_begins_with_the_colours_of_expected_loss() -> None:
    definition, focus = rebuilt(default(formula="matrix", matrix=[[4] * 5] * 5), "paint-matrix")
    assert definition["matrix"] == PAINTED
    assert focus == "paint-matrix"


def test_cells_stay_blank_until_the_scales_fit_together() -> None:
    start = default()
    start["likelihood"][0]["low"] = "seldom"
    assert colours_of_exposure(start) == [[""] * 5] * 5


@pytest.mark.parametrize(
    ("change", "times", "of", "count", "focus"),
    [
        ("add-likelihood-level", 9, "likelihood", 10, "likelihood-9-label-en"),
        ("remove-likelihood-level", 9, "likelihood", 3, "add-likelihood-level"),
        ("remove-impact-level", 9, "dimensions", 3, "add-impact-level"),
        ("add-dimension", 9, "dimensions", 8, "dimensions-7-label-en"),
        ("remove-dimension-0", 9, "dimensions", 1, "add-dimension"),
        ("add-band", 9, "bands", 8, "bands-7-label-en"),
        ("remove-band", 9, "bands", 2, "add-band"),
    ],
)
def test_no_change_goes_beyond_the_limits(change: str, times: int, of: str, count: int, focus: str) -> None:
    definition, at = default(formula="matrix", matrix=PAINTED), ""
    for _ in range(times):
        definition, at = rebuilt(definition, change)
    assert (len(definition[of]), at) == (count, focus)
    assert {problem.code for problem in check(definition, ())} <= {"label_missing", "few_bands", "edge", "colouring"}


@pytest.mark.parametrize(
    "change", ["show", "add-nothing", "remove-dimension-9", "remove-dimension-x", "remove-dimension-"]
)
def test_what_nobody_knows_changes_nothing(change: str) -> None:
    start = default(formula="matrix", matrix=PAINTED)
    definition, _focus = rebuilt(start, change)
    assert definition == start


def test_the_definition_it_was_given_stays_as_it_was() -> None:
    start = default(formula="matrix", matrix=PAINTED, appetite={"competitor": 4})
    for change in (*CHANGES, "remove-dimension-0"):
        rebuilt(start, change)
    assert start == default(formula="matrix", matrix=PAINTED, appetite={"competitor": 4})


@given(st.data(), st.sampled_from([*sorted(CHANGES), "remove-dimension-0"]))
def test_text_where_a_number_belongs_stands_in_nobodys_way(data: st.DataObject, change: str) -> None:
    definition = default(formula="matrix", matrix=PAINTED, appetite={"competitor": 4})
    for path in data.draw(st.lists(st.sampled_from(numbers_in(definition)), max_size=6)):
        holder: Any = definition
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = data.draw(st.sampled_from(["", "lots", 0, -1, 1e300, 10**15, 0.5]))
    changed, _focus = rebuilt(definition, change)
    json.dumps(changed, allow_nan=False)
    check(changed, ())

"""From the form to the definition and back: nothing typed is lost, and numbers are read as people write them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessments.default_method import DEFAULT_METHOD
from assessments.method_checks import check
from assessments.method_forms import Editor, definition_of
from tests.assessments.test_method_checks import PAINTED, numbers_in

CATEGORIES = {"competitor": "Competitors", "internal-process": "Internal process"}


def default(**more: Any) -> dict[str, Any]:
    return copy.deepcopy(DEFAULT_METHOD) | {"formula": "exposure", "appetite": {}} | copy.deepcopy(more)


def posted(definition: dict[str, Any]) -> dict[str, str]:
    """What a browser would post of the editor's page."""
    editor = Editor(definition, (), CATEGORIES)
    data = {name: field.value for name, field in editor.fields.items()}
    for dimension in editor.dimensions:
        data[f"{dimension['whole'].name}-key"] = dimension["key"]
    for band in editor.bands:
        del data[band["tolerable"].name]
        if band["is_tolerable"]:
            data[band["tolerable"].name] = "on"
    return data


@pytest.mark.parametrize(
    "definition",
    [
        default(),
        default(formula="product", combination="worst", appetite={"internal-process": 0, "competitor": 3}),
        default(formula="matrix", matrix=PAINTED),
        default(formula="exposure", matrix=PAINTED),  # painted once and kept for another time
    ],
)
def test_what_is_opened_and_saved_is_what_it_was(definition: dict[str, Any]) -> None:
    assert definition_of(posted(definition)) == definition


@given(st.data())
def test_whatever_is_typed_into_numbers_comes_back_as_it_stood(data: st.DataObject) -> None:
    definition = default(formula="matrix", matrix=PAINTED)
    typed = st.one_of(
        st.integers(0, 10**14),
        st.floats(1e-6, 1e14, allow_nan=False).map(lambda number: float(f"{number:.9g}")),
        st.sampled_from(["", "lots", "n/a", "1,2,3", "1 - 2", "∞"]),
    )
    for path in data.draw(st.lists(st.sampled_from(numbers_in(definition)), max_size=6)):
        holder: Any = definition
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = data.draw(typed)
    once = definition_of(posted(definition))
    assert definition_of(posted(once)) == once
    assert [p.code for p in check(once, CATEGORIES)] == [p.code for p in check(definition, CATEGORIES)]


@pytest.mark.parametrize(
    ("typed", "money", "share"),
    [
        ("50000", 50_000, 500),
        ("1 000 000", 1_000_000, 10_000),
        ("1,000,000", 1_000_000, 10_000),
        ("50k", 50_000, 500),
        ("2m", 2_000_000, 20_000),
        ("5万", 50_000, 500),
        ("12.5", 12.5, 0.125),
        ("0.5", 0.5, 0.005),
        ("15%", 0.15, 0.15),
        ("１５％", 0.15, 0.15),
        ("３０", 30, 0.3),
        (" 7 ", 7, 0.07),
        ("", "", ""),
        ("lots", "lots", "lots"),
        ("n/a", "n/a", "n/a"),
        ("1e400", "1e400", "1e400"),
        ("a\x00b", "ab", "ab"),
    ],
)
def test_reads_numbers_as_people_write_them(typed: str, money: object, share: object) -> None:
    data = posted(default()) | {"dimensions-0-levels-0-high": typed, "likelihood-0-high": typed}
    definition = definition_of(data)
    assert definition["dimensions"][0]["levels"][0]["high"] == money
    assert definition["likelihood"][0]["high"] == share


@pytest.mark.parametrize(
    ("place", "value", "shown"),
    [
        (("likelihood", 0, "low"), 0.07, "7"),
        (("likelihood", 0, "low"), 0.000001, "0.0001"),
        (("likelihood", 0, "low"), "seldom", "seldom"),
        (("dimensions", 0, "levels", 0, "low"), 1_240_000, "1,240,000"),
        (("dimensions", 0, "levels", 0, "low"), 1234.5, "1,234.5"),
        (("dimensions", 0, "levels", 0, "low"), 1e22, "10,000,000,000,000,000,000,000"),
        (("dimensions", 1, "weight"), 0.25, "25"),
        (("bands", 1, "threshold"), 35, "35"),
    ],
)
def test_shows_every_digit(place: tuple[Any, ...], value: object, shown: str) -> None:
    definition = default()
    holder: Any = definition
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    assert Editor(definition).fields["-".join(str(step) for step in place)].value == shown


def test_a_new_dimension_gets_a_key_of_its_name_and_keeps_it() -> None:
    data = posted(default()) | {"dimensions-2-key": "", "dimensions-2-label-en": "Health & safety"}
    assert [d["key"] for d in definition_of(data)["dimensions"]] == ["financial", "reputation", "impact_health_safety"]
    renamed = posted(definition_of(data)) | {"dimensions-2-label-en": "Safety"}
    assert definition_of(renamed)["dimensions"][2]["key"] == "impact_health_safety"


def test_keys_never_meet() -> None:
    data = posted(default())
    for number in range(3):
        data |= {
            f"dimensions-{number}-key": "",
            f"dimensions-{number}-label-en": "",
            f"dimensions-{number}-label-zh": "安全",
        }
    assert [d["key"] for d in definition_of(data)["dimensions"]] == ["impact_安全", "impact_安全_2", "impact_安全_3"]


def test_a_dimension_without_a_name_waits_for_its_key() -> None:
    data = posted(default()) | {"dimensions-2-key": "", "dimensions-2-label-en": "", "dimensions-2-label-zh": ""}
    definition = definition_of(data)
    assert definition["dimensions"][2]["key"] == ""
    assert [p.code for p in check(definition, ())] == ["label_missing"]


def test_a_long_name_makes_a_key_that_can_be_kept() -> None:
    data = posted(default()) | {"dimensions-2-key": "", "dimensions-2-label-en": "Loss of " + "very " * 20 + "much"}
    key = definition_of(data)["dimensions"][2]["key"]
    assert len(key) == 48
    assert check(definition_of(data), ()) == []


def test_a_matrix_begins_with_the_colours_of_expected_loss() -> None:
    assert definition_of(posted(default(formula="matrix")))["matrix"] == PAINTED


def test_a_matrix_that_could_not_be_painted_yet_is_painted_when_it_can() -> None:
    broken = definition_of(posted(default(formula="matrix")) | {"likelihood-0-low": "seldom"})
    assert broken["matrix"] == [[""] * 5] * 5
    assert definition_of(posted(broken) | {"likelihood-0-low": "1"})["matrix"] == PAINTED


def test_an_empty_form_is_an_empty_definition() -> None:
    definition = definition_of({})
    assert definition == {
        "likelihood": [], "dimensions": [], "combination": "", "bands": [], "formula": "", "appetite": {}
    }  # fmt: skip
    assert Editor(definition, check(definition, ())).advice == []


def test_problems_stand_at_their_fields() -> None:
    definition = default(appetite={"weather": 9})
    definition["likelihood"][2]["low"] = 0.12
    definition["dimensions"][1]["label"] = {"en": "", "zh": ""}
    definition["dimensions"][2]["levels"][1]["high"] = "lots"
    definition["bands"] = definition["bands"][:1]
    editor = Editor(definition, check(definition, CATEGORIES), CATEGORIES)
    assert [(note.at, note.where) for note in editor.errors] == [
        ("likelihood-2-low", "Likelihood, level 3"),
        ("dimensions-1-label-en", "Dimension 2"),
        ("dimensions-2-levels-1-high", "Market share, level 2"),
        ("bands", "Bands"),
        ("appetite-weather", "Appetite"),
        ("appetite-weather", "Appetite"),
    ]
    assert [field.name for field in editor.fields.values() if field.is_wrong] == [
        "likelihood-2-low", "dimensions-1-label-en", "dimensions-2-levels-1-high", "bands", "appetite-weather",
    ]  # fmt: skip
    assert [note.text for note in editor.fields["dimensions-2-levels-1-high"].notes] == [
        "“lots” is not a number that can be used."
    ]
    assert [row["name"] for row in editor.appetite] == ["weather", "Competitors", "Internal process"]
    assert [row["is_unknown"] for row in editor.appetite] == [True, False, False]


def test_words_about_a_cell_stand_above_the_matrix() -> None:
    definition = default(formula="matrix", matrix=PAINTED)
    definition["matrix"][0][0] = ""
    editor = Editor(definition, check(definition, CATEGORIES), CATEGORIES)
    assert [(note.at, note.box) for note in editor.errors] == [("cell-1-1", "cells")]
    assert [note.text for note in editor.fields["cells"].notes] == ["This cell needs a band."]
    assert editor.fields["cell-1-1"].is_wrong
    assert not editor.fields["cells"].is_wrong


def test_without_a_painted_matrix_there_is_no_cell_to_go_to() -> None:
    definition = default(formula="product")
    editor = Editor(definition, check(definition, CATEGORIES), CATEGORIES)
    assert [(note.at, note.where) for note in editor.advice] == [("cells", "Matrix")]


def test_rows_are_added_and_removed_within_the_limits() -> None:
    limits = Editor(default()).limits
    assert all(limits.values())
    narrow = default()
    narrow["likelihood"], narrow["bands"], narrow["dimensions"] = (
        narrow["likelihood"][:3], narrow["bands"][:2], narrow["dimensions"][:1],
    )  # fmt: skip
    assert {name for name, allowed in Editor(narrow).limits.items() if not allowed} == {
        "remove_likelihood", "remove_band", "remove_dimension",
    }  # fmt: skip

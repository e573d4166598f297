"""What is found is said in whole sentences, with every digit that tells two bounds apart."""

from __future__ import annotations

import pytest
from django.utils import translation

from assessments.check_messages import said
from assessments.method import Label
from assessments.method_checks import Problem
from tests.assessments.test_method_checks import CASES, found


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("code", CASES)
def test_every_finding_is_a_sentence(code: str, language: str) -> None:
    with translation.override(language):
        for problem in found(CASES[code][0]):
            sentence = said(problem)
            assert sentence.endswith((".", "。"))
            assert "%(" not in sentence
            assert "Label" not in sentence


GAP = {"level": 3, "begins": 0.12, "previous": 2, "ends": 0.1}
CLOSE = {**GAP, "begins": 1_240_001, "ends": 1_240_000.5}
HIDDEN = {"dimension": Label("Reputation", "声誉"), "level": 5, "combined": 2}


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (
            Problem("level_gap", ("likelihood", 2, "low"), GAP),
            "Level 3 begins at 12 %, but level 2 ends at 10 %: what lies between belongs to no level.",
        ),
        (
            Problem("level_gap", ("dimensions", 0, "levels", 2, "low"), CLOSE),
            "Level 3 begins at 1,240,001, but level 2 ends at 1,240,000.5: what lies between belongs to no level.",
        ),
        (Problem("probability", ("likelihood", 0, "low")), "A probability lies above 0 % and below 100 %."),
        (Problem("matrix_cell", ("cell", 1, 1), {"count": 1}), "This cell needs a band."),
        (
            Problem("matrix_cell", ("cell", 1, 1), {"count": 3}),
            "This cell needs a band. There are 2 more such places.",
        ),
        (
            Problem("hidden", ("combination",), HIDDEN),
            (
                "With this rule a risk at level 5 in Reputation and at 1 in all others counts as level 2. The softened "
                "worst keeps it within one level."
            ),
        ),
    ],
)
def test_says_it_in_words(problem: Problem, sentence: str) -> None:
    assert said(problem).replace("\N{NO-BREAK SPACE}", " ") == sentence


def test_names_are_those_of_the_language() -> None:
    problem = Problem("colour_twice", ("bands", 1, "colour"), {"lower": Label("Low", "低")})
    with translation.override("zh-hans"):
        assert "低" in said(problem)

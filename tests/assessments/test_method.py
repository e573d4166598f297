from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from assessments.default_method import DEFAULT_METHOD
from assessments.method import BAND_COLOURS, COMBINATIONS, BadMethod, MethodSpec, read_method


def changed(change: Callable[[dict[str, Any]], object]) -> MethodSpec:
    """What is read from the default definition after something in it was changed."""
    definition = copy.deepcopy(DEFAULT_METHOD)
    change(definition)
    return read_method(definition, version=1)


def put(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(definition: dict[str, Any]) -> None:
        place: Any = definition
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(definition: dict[str, Any]) -> None:
        place: Any = definition
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


def test_the_default_method_reads() -> None:
    spec = read_method(DEFAULT_METHOD, version=7)
    assert spec.version == 7
    assert [level.label.en for level in spec.likelihood] == [
        "Rare",
        "Unlikely",
        "Possible",
        "Likely",
        "Almost certain",
    ]
    assert [(d.key, d.weight, len(d.levels)) for d in spec.dimensions] == [
        ("financial", 0.5, 5),
        ("reputation", 0.25, 5),
        ("market_share", 0.25, 5),
    ]
    assert spec.combination == "hybrid"
    assert [(b.position, b.threshold, b.colour, b.review_days, b.tolerable) for b in spec.bands] == [
        (1, 0.0, "green", 180, True),
        (2, 35.0, "yellow", 90, True),
        (3, 58.0, "orange", 30, False),
        (4, 75.0, "red", 14, False),
    ]


def test_survives_the_way_through_json() -> None:
    assert read_method(json.loads(json.dumps(DEFAULT_METHOD)), version=1) == read_method(DEFAULT_METHOD, version=1)


def test_a_level_counts_as_the_geometric_centre_of_its_range() -> None:
    spec = read_method(DEFAULT_METHOD, version=1)
    assert spec.likelihood[2].centre == math.sqrt(0.1 * 0.3)
    assert spec.primary.levels[3].centre == 500_000


def test_parts_are_found_by_name_and_position() -> None:
    spec = read_method(DEFAULT_METHOD, version=1)
    assert spec.primary.key == "financial"
    assert spec.dimension("market_share").label.zh == "市场份额"
    assert spec.band(4).label.en == "Critical"
    with pytest.raises(KeyError):
        spec.dimension("weather")


def test_the_span_reaches_from_the_least_to_the_greatest_exposure() -> None:
    spec = changed(put("dimensions", 2, "levels", 4, "high", value=20_000_000))
    low, high = spec.log_exposure_span
    assert low == math.log(math.sqrt(0.01 * 0.03) * math.sqrt(2_000 * 10_000))
    assert high == math.log(math.sqrt(0.6 * 0.95) * math.sqrt(1_000_000 * 20_000_000))


def test_labels_and_descriptors_may_be_missing_in_a_language() -> None:
    spec = changed(
        lambda d: [
            put("likelihood", 0, "label", value={"en": "Rare"})(d),
            drop("dimensions", 0, "levels", 0, "descriptor")(d),
        ]
    )
    assert (spec.likelihood[0].label.en, spec.likelihood[0].label.zh) == ("Rare", "")
    assert spec.primary.levels[0].descriptor.en == ""


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_every_combination_rule_is_accepted(combination: str) -> None:
    assert changed(put("combination", value=combination)).combination == combination


@pytest.mark.parametrize("colour", BAND_COLOURS)
def test_every_colour_is_accepted(colour: str) -> None:
    assert changed(put("bands", 0, "colour", value=colour)).band(1).colour == colour


LEVEL = {"label": {"en": "x", "zh": ""}, "low": 1, "high": 2}

REFUSED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no likelihood": (drop("likelihood"), "likelihood"),
    "no dimensions": (drop("dimensions"), "dimensions"),
    "empty dimensions": (put("dimensions", value=[]), "dimensions: at least one must carry weight"),
    "no combination": (drop("combination"), "combination"),
    "no bands": (drop("bands"), "bands"),
    "likelihood is a number": (put("likelihood", value=5), "not complete"),
    "a level without a label": (drop("likelihood", 0, "label"), "label"),
    "a label that is a text": (put("likelihood", 0, "label", value="Rare"), "not complete"),
    "two levels": (lambda d: d.update(likelihood=d["likelihood"][:2]), "likelihood: 3 to 10 levels, not 2"),
    "eleven levels": (
        lambda d: d["dimensions"][1].update(levels=[LEVEL | {"low": 2**n, "high": 2 ** (n + 1)} for n in range(11)]),
        "reputation: 3 to 10 levels, not 11",
    ),
    "a level from zero": (put("likelihood", 0, "low", value=0), "likelihood: level 1 must reach from above 0"),
    "a level upside down": (put("dimensions", 0, "levels", 0, "high", value=1_000), "financial: level 1 must reach"),
    "a level of nothing": (put("dimensions", 0, "levels", 0, "high", value=2_000), "financial: level 1 must reach"),
    "a gap": (put("likelihood", 3, "low", value=0.4), "likelihood: level 4 must begin where level 3 ends"),
    "an overlap": (put("dimensions", 2, "levels", 1, "high", value=60_000), "market_share: level 3 must begin where"),
    "a certain event": (put("likelihood", 4, "high", value=1), "likelihood: a probability must stay below 1"),
    "a negative bound": (put("likelihood", 0, "low", value=-0.1), r"likelihood\.low: -0\.1 is not a usable number"),
    "an infinite bound": (put("dimensions", 0, "levels", 4, "high", value=math.inf), r"financial\.high: inf"),
    "a bound that is no number": (put("likelihood", 0, "low", value=math.nan), r"likelihood\.low: nan"),
    "a bound of none": (put("likelihood", 0, "low", value=None), "not complete"),
    "a bound in words": (put("likelihood", 0, "low", value="seldom"), r"likelihood\.low: 'seldom'"),
    "an enormous bound": (put("dimensions", 0, "levels", 4, "high", value=10**400), r"financial\.high"),
    "a negative weight": (put("dimensions", 0, "weight", value=-1), r"financial\.weight: -1 is not a usable number"),
    "a weight in words": (put("dimensions", 0, "weight", value="much"), r"financial\.weight: 'much'"),
    "no weight at all": (
        lambda d: [item.update(weight=0) for item in d["dimensions"]],
        "dimensions: at least one must carry weight",
    ),
    "scales of different length": (
        lambda d: d["dimensions"][1]["levels"].pop(),
        "dimensions: all need the same number of levels",
    ),
    "a key twice": (put("dimensions", 1, "key", value="financial"), "dimensions: a key occurs twice"),
    "an unknown rule": (put("combination", value="median"), "combination: 'median' is none of worst, weighted, hybrid"),
    "one band": (lambda d: d.update(bands=d["bands"][:1]), "bands: at least two, the first from 0"),
    "a first band above zero": (put("bands", 0, "threshold", value=5), "bands: at least two, the first from 0"),
    "bands out of order": (put("bands", 2, "threshold", value=20), "bands: High must begin above Moderate"),
    "two bands in one place": (put("bands", 2, "threshold", value=35), "bands: High must begin above Moderate"),
    "a band beyond the scale": (put("bands", 3, "threshold", value=101), "bands: Critical must begin"),
    "a threshold in words": (put("bands", 1, "threshold", value="low"), "band 2: 'low'"),
    "a colour of another paintbox": (put("bands", 0, "colour", value="pink"), "bands: 'pink' is no colour of ours"),
    "a review never": (put("bands", 0, "review_days", value=0), "bands: Low needs a review interval"),
    "a review in eleven years": (put("bands", 3, "review_days", value=4000), "bands: Critical needs a review interval"),
    "a review in words": (put("bands", 0, "review_days", value="soon"), "band 1|Low"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_and_names_the_place(name: str) -> None:
    change, message = REFUSED[name]
    with pytest.raises(BadMethod, match=message):
        changed(change)


@pytest.mark.parametrize("definition", [[], "hybrid", 5, None])
def test_refuses_what_is_no_definition(definition: object) -> None:
    with pytest.raises(BadMethod, match="not complete"):
        read_method(definition, version=1)  # type: ignore[arg-type]


def test_a_threshold_of_exactly_100_is_allowed() -> None:
    assert changed(put("bands", 3, "threshold", value=100)).band(4).threshold == 100

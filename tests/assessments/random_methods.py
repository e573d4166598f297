"""Scoring methods and judgements made up by Hypothesis: it chooses and shrinks the sizes; the contents have a seed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from assessments.method import BAND_COLOURS, COMBINATIONS, FORMULAS, MethodSpec, read_method

KEYS = ("financial", "reputation", "market_share", "delivery", "people", "legal")


def random_definition(
    random: np.random.Generator,
    *,
    likelihood: int,
    impact: int,
    keys: Sequence[str],
    combination: str,
    formula: str,
    bands: int,
) -> dict[str, Any]:
    """A definition that can score; scales of all widths, of one or of several moneys."""
    shared = _bounds(random, impact, most=10**7)
    weights = random.integers(0, 11, len(keys)) / 10
    if not weights.any():
        weights[random.integers(len(keys))] = 1
    thresholds = [0.0, *(np.sort(random.choice(np.arange(1, 10_000), bands - 1, replace=False)) / 100).tolist()]
    return {
        "likelihood": _levels([n / 10_000 for n in _bounds(random, likelihood, most=9_990)]),
        "dimensions": [
            {
                "key": key,
                "label": {"en": key, "zh": key},
                "weight": float(weight),
                "levels": _levels([float(n) for n in (shared if random.random() < 0.5 else _bounds(random, impact))]),
            }
            for key, weight in zip(keys, weights, strict=True)
        ],
        "combination": combination,
        "formula": formula,
        "matrix": random.integers(1, bands + 1, (likelihood, impact)).tolist(),
        "bands": [
            {
                "label": {"en": f"Band {n}", "zh": f"等级{n}"},
                "threshold": threshold,
                "colour": BAND_COLOURS[n],
                "review_days": int(random.integers(1, 400)),
                "tolerable": n == 0,
            }
            for n, threshold in enumerate(thresholds)
        ],
    }


def _bounds(random: np.random.Generator, levels: int, *, most: int = 10**8) -> list[int]:
    """Ends of that many levels, ascending; close together as often as decades apart."""
    if random.random() < 0.5:
        chosen = random.choice(most - 1, levels + 1, replace=False) + 1
    else:
        chosen = np.unique(np.exp(random.uniform(0, np.log(most), 6 * levels)).astype(np.int64))
        chosen = random.choice(np.union1d(chosen, np.arange(1, levels + 2)), levels + 1, replace=False)
    return [int(n) for n in np.sort(chosen)]


def _levels(bounds: Sequence[float]) -> list[dict[str, Any]]:
    return [
        {"label": {"en": f"Level {n}", "zh": f"级别{n}"}, "low": low, "high": high}
        for n, (low, high) in enumerate(itertools.pairwise(bounds), start=1)
    ]


@st.composite
def definitions(draw: st.DrawFn, formulas: Sequence[str] = FORMULAS) -> dict[str, Any]:
    """3 to 10 levels of each kind, 1 to 5 dimensions in any order, 2 to 8 bands."""
    keys = draw(st.permutations(KEYS))[: draw(st.integers(1, 5))]
    return random_definition(
        np.random.default_rng(draw(st.integers(0, 2**32))),
        likelihood=draw(st.integers(3, 10)),
        impact=draw(st.integers(3, 10)),
        keys=keys,
        combination=draw(st.sampled_from(COMBINATIONS)),
        formula=draw(st.sampled_from(list(formulas))),
        bands=draw(st.integers(2, 8)),
    )


def methods(formulas: Sequence[str] = FORMULAS, *, version: int = 1) -> st.SearchStrategy[MethodSpec]:
    return definitions(formulas).map(lambda definition: read_method(definition, version=version))


def judged_levels(spec: MethodSpec) -> st.SearchStrategy[dict[str, int]]:
    """Levels of one dimension or more, by key."""
    level = st.integers(1, len(spec.primary.levels))
    keys = st.lists(st.sampled_from([d.key for d in spec.dimensions]), min_size=1, unique=True)
    return keys.flatmap(lambda chosen: st.fixed_dictionaries(dict.fromkeys(chosen, level)))


# Inside, at the ends of, and beyond the scales that are made up here.
moneys = st.floats(0.5, 1e9) | st.integers(1, 10**8).map(float)

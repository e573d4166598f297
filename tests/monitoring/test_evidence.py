from __future__ import annotations

import math

import numpy as np
import pytest

from monitoring.evidence import weight
from risks.models import Observation
from risks.scores import shift_odds


@pytest.mark.parametrize(("bearing", "ratio"), [(-2, 1 / 4), (-1, 1 / 2), (0, 1), (1, 2), (2, 4)])
def test_a_bearing_multiplies_the_odds(bearing: int, ratio: float) -> None:
    before = 0.2
    after = float(shift_odds(np.array([before]), np.array([weight(bearing)]))[0])
    assert after / (1 - after) == pytest.approx(before / (1 - before) * ratio)


def test_saying_nothing_weighs_nothing() -> None:
    assert weight(0) == 0.0


def test_evidence_for_and_against_cancel() -> None:
    assert weight(1) + weight(-1) == 0.0
    assert weight(2) + weight(-2) == 0.0
    assert weight(1) * 2 == pytest.approx(weight(2), rel=1e-15)


def test_knows_every_bearing_an_observation_can_have() -> None:
    assert all(math.isfinite(weight(bearing)) for bearing in Observation.Bearing.values)


@pytest.mark.parametrize("bearing", [-3, 3, 100])
def test_refuses_another_bearing(bearing: int) -> None:
    with pytest.raises(KeyError):
        weight(bearing)

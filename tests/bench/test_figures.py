"""When a figure keeps its bounds."""

import pytest

from bench.figures import figure


@pytest.mark.parametrize(
    ("value", "bounds", "ok"),
    [
        (1.6, {"limit": 1.6}, True),
        (1.7, {"limit": 1.6}, False),
        (0.7, {"at_least": 0.7}, True),
        (0.6, {"at_least": 0.7}, False),
        (1.0, {"limit": 1.6, "at_least": 0.7}, True),
        (0.6, {"limit": 1.6, "at_least": 0.7}, False),
        (1.7, {"limit": 1.6, "at_least": 0.7}, False),
        (5.0, {}, None),
        # With a floor, bounds are of the ratio.
        (4.0, {"floor": 2.0, "limit": 2.0, "at_least": 2.0}, True),
        (4.0, {"floor": 2.0, "at_least": 2.1}, False),
        (0.0, {"floor": 0.0, "limit": 1.0}, True),
        (1.0, {"floor": 0.0, "limit": 1.0}, False),
    ],
)
def test_verdict(value, bounds, ok):
    assert figure("name", 1, value, "unit", **bounds).ok is ok

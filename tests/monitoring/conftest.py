from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine

from tests.monitoring.times import NOW


@pytest.fixture
def monday_morning() -> Iterator[None]:
    """The clock stands still at NOW; a test may travel on from there."""
    with time_machine.travel(NOW, tick=False):
        yield

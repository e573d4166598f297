from __future__ import annotations

from typing import Any

from crm import registry
from crm import sync as synchronisation
from riskreg.jobs.actions import Claim


def sync(claim: Claim) -> dict[str, Any]:
    """Read what changed at one connection."""
    return synchronisation.run(claim, registry.open_connection)

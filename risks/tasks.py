"""The identify stage's background work: each loads by id and calls one action."""

from __future__ import annotations

from typing import Any

from riskreg.jobs.actions import Claim, PermanentFailure
from risks import imports
from risks.models import ImportBatch


def apply_import(claim: Claim) -> dict[str, Any]:
    batch = ImportBatch.objects.select_related("team", "created_by").filter(pk=claim.payload["batch"]).first()
    if batch is None:
        raise PermanentFailure("The import was discarded.")
    if batch.state != ImportBatch.State.RUNNING:
        return dict(batch.counts)
    return imports.apply(batch=batch, claim=claim)

"""The night's work on the register."""

from __future__ import annotations

from assessments.queries import active_method
from monitoring import flags
from riskreg.jobs.actions import Claim, pause_between_chunks
from risks import scores
from risks.models import Cause, Risk


def rescore_register(claim: Claim) -> dict[str, int]:
    """Re-score every open risk, then look for drift. A second run at the same moment changes nothing."""
    changed = scored = 0
    # A run that was broken off begins again: chunks that were done are found unchanged.
    with claim.fenced(advance=-claim.job.done, total=Risk.objects.scored().count()):
        pass
    for chunk in scores.walk(at=claim.now()):
        started = claim.now()
        with claim.fenced(advance=chunk.size):
            changed += chunk.rescore(cause=Cause.RULES, at=started)
        scored += chunk.size
        pause_between_chunks((claim.now() - started).total_seconds())
    flags.borrow_autocorrelation(method=active_method())
    return {"scored": scored, "changed": changed, "flags": flags.look_for_drift(claim)}

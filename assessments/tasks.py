"""The assess stage's background work: each loads by id and calls one action."""

from __future__ import annotations

from assessments import invitations, versions
from riskreg.jobs.actions import Claim


def activate_method(claim: Claim) -> dict[str, int]:
    return versions.activate(claim, method_id=claim.payload["method"])


def send_invitation(claim: Claim) -> dict[str, str]:
    return {"outcome": invitations.send(opinion_id=claim.payload["opinion"], now=claim.now())}

"""Jobs of the fault scripts alone. What they leave can be counted: a ledger row for each risk, no more, no less."""

from __future__ import annotations

import os
import re
import signal

from riskreg.jobs.actions import Claim
from risks import scores
from risks.models import Cause


def rescore(claim: Claim) -> dict[str, int]:
    """Score the named risks one by one; each writes a ledger row even if nothing changed, so a second one shows."""
    risks = claim.payload["risks"]
    for risk in risks[claim.job.done :]:
        with claim.fenced(advance=1):
            scores.rescore([risk], cause=Cause.EVIDENCE, at=claim.now(), always=True)
    return {"scored": len(risks)}


def hang(claim: Claim) -> None:
    """A regular expression that backtracks for ever and never lets another thread of its process run."""
    _effect(claim)
    re.match("(a*)*b", "a" * 64)


def crash(claim: Claim) -> None:
    _effect(claim)
    os.kill(os.getpid(), signal.SIGSEGV)


def fail(claim: Claim) -> None:
    _effect(claim)
    raise RuntimeError("as always")


def eat_memory(claim: Claim) -> None:
    _effect(claim)
    eaten = []
    while True:
        eaten.append(bytearray(16 * 1024 * 1024))


def _effect(claim: Claim) -> None:
    """A first step that stands after the job went wrong, and must not stand twice."""
    if not claim.job.done:
        with claim.fenced(advance=1):
            scores.rescore(claim.payload["risks"], cause=Cause.EVIDENCE, at=claim.now(), always=True)

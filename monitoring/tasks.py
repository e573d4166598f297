"""The monitor stage's background work: each is called with its claimed job and calls one action."""

from __future__ import annotations

from monitoring import actions, forecasts
from riskreg.jobs.actions import Claim


def rescore_all(claim: Claim) -> dict[str, int]:
    return actions.rescore_register(claim)


def queue_digests(claim: Claim) -> dict[str, int]:
    return {"queued": actions.queue_due_digests(now=claim.now())}


def send_digest(claim: Claim) -> dict[str, str]:
    return {"outcome": actions.send_digest(claim, user_id=claim.payload["user"], period=claim.payload["period"])}


def run_forecast(claim: Claim) -> dict[str, int]:
    return forecasts.run_forecast(claim, forecast_id=claim.payload["forecast"])

"""The monitor stage's background work: each is called with its claimed job and calls one action."""

from __future__ import annotations

from monitoring import actions, deliveries, digests, flags, forecasts, indicators, matters, reviews
from riskreg.jobs.actions import Claim


def rescore_all(claim: Claim) -> dict[str, int]:
    return actions.rescore_register(claim)


def look_for_drift(claim: Claim) -> dict[str, int]:
    return {"flags": flags.look_for_drift(claim)}


def take_readings(claim: Claim) -> dict[str, int]:
    return {"readings": indicators.take_from_crm(now=claim.now())}


def pull_reviews(claim: Claim) -> dict[str, int]:
    return {"reviews": reviews.pull_reviews(claim, today=claim.now().date())}


def look_after_matters(claim: Claim) -> dict[str, int]:
    return matters.look_after(claim, today=claim.now().date())


def deliver(claim: Claim) -> dict[str, str]:
    return {"outcome": deliveries.deliver(claim, delivery_id=claim.payload["delivery"])}


def queue_digests(claim: Claim) -> dict[str, int]:
    return {"queued": digests.queue_due_digests(now=claim.now())}


def send_digest(claim: Claim) -> dict[str, str]:
    return {"outcome": digests.send_digest(claim, user_id=claim.payload["user"], period=claim.payload["period"])}


def run_forecast(claim: Claim) -> dict[str, int]:
    return forecasts.run_forecast(claim, forecast_id=claim.payload["forecast"])

"""Forecasts: asked for by a person, simulated by a job."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from crm.models import Target
from monitoring import portfolio
from monitoring.models import Forecast
from riskreg.accounts.models import Team, User
from riskreg.jobs.actions import Claim, enqueue


def start_forecast(
    *,
    team: Team | None,
    target: Target | None,
    months: int,
    correlation: float,
    by: User | None,
    at: dt.datetime,
) -> Forecast:
    """Put in a simulation of a team's open risks, or of all; with a target the target's own risks and period,
    because anything else would compare unlike things."""
    if target is not None:
        team, months = target.team, target.months
    with transaction.atomic():
        forecast = Forecast.objects.create(
            team=team, target=target, months=months, correlation=correlation, created_by=by, created_at=at
        )
        job = enqueue("monitoring.tasks.run_forecast", payload={"forecast": forecast.pk}, by=by)
        forecast.job = job.pk
        forecast.save(update_fields=["job"])
    return forecast


def run_forecast(claim: Claim, *, forecast_id: int) -> dict[str, int]:
    """Simulate and keep the result. Broken off, it begins again and comes to the same numbers: the seed is kept."""
    forecast = Forecast.objects.select_related("team", "target").filter(pk=forecast_id).first()
    if forecast is None or forecast.result is not None:
        return {"risks": 0}

    def progress(done: int, total: int) -> None:
        with claim.fenced(advance=done - claim.job.done, total=total):
            pass

    result = portfolio.simulate(forecast, at=claim.now(), progress=progress)
    with claim.fenced():
        Forecast.objects.filter(pk=forecast.pk).update(result=result, finished_at=claim.now())
    return {"risks": result["risks"]}

"""Handlers that the tests' jobs name. What they did stands in ``calls``."""

from riskreg.jobs.actions import Claim, PermanentFailure
from riskreg.jobs.models import Schedule

HERE = "tests.riskreg.jobs.handlers"
calls: list[int] = []


def succeed(claim: Claim) -> dict[str, int]:
    calls.append(claim.job.pk)
    return {"answer": claim.payload.get("ask", 0) + 1}


def fail(claim: Claim) -> None:
    calls.append(claim.job.pk)
    raise RuntimeError("the printer is on fire" + "!" * 9000)


def fail_for_good(claim: Claim) -> None:
    raise PermanentFailure("there is no such file")


def answer_nonsense(claim: Claim) -> dict[str, object]:
    return {"not": object()}


def three_steps_breaking_after(claim: Claim) -> dict[str, int]:
    """Writes one row for each step; breaks in the middle of the step the payload names."""
    claim.total(3)
    for step in range(claim.job.done, 3):
        with claim.fenced(advance=1):
            write(step)
            if claim.job.attempts == 1 and step == claim.payload["breaks_in"]:
                raise RuntimeError("killed here")
    return {"steps": claim.job.done}


def write(step: int) -> None:
    """An effect on the database that shows when it happens twice: the name is unique."""
    Schedule.objects.create(name=f"step {step}", next_due="2026-01-01T00:00Z")

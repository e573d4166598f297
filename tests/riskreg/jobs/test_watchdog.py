"""The watchdog in a process of its own, because it ends it; and when it is told that a job lives."""

from __future__ import annotations

import faulthandler
import subprocess
import sys

import pytest

from riskreg.jobs import actions, watchdog
from tests.riskreg.jobs.conftest import Clock
from tests.riskreg.jobs.handlers import HERE

# Backtracking for longer than anybody lives, without ever letting another thread of the interpreter run.
HANG = """
import re
from riskreg.jobs import watchdog
def job_that_hangs():
    re.match("(a*)*b", "a" * 60)
watchdog.start(0.2)
{before}
with watchdog.watching():
    {job}
{after}
print("came to its end")
"""


def told(before: str = "", job: str = "pass", after: str = "") -> subprocess.CompletedProcess[str]:
    code = HANG.format(before=before, job=job, after=after)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_a_process_whose_job_hangs_leaves_and_says_where() -> None:
    ended = told(job="job_that_hangs()")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Timeout (0:00:00.200000)!" in ended.stderr
    assert "in job_that_hangs" in ended.stderr


def test_a_process_without_a_job_may_be_idle_for_as_long_as_it_likes() -> None:
    idle = "import time; time.sleep(0.5)"
    ended = told(before=idle, after=idle)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "came to its end\n", "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts what a process writes to")
def test_a_job_that_takes_too_much_memory_fails_and_the_process_lives_on() -> None:
    code = """
from riskreg.jobs import watchdog
watchdog.limit_memory(512)
try:
    bytearray(600 * 1024 * 1024)
except MemoryError:
    print(len(bytearray(100 * 1024 * 1024)))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "104857600\n"


@pytest.fixture
def signs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the watchdog of this process was told; it is not a real one, which would end the tests."""
    told: list[str] = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda seconds, **_: told.append(f"{seconds} s"))
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", lambda: told.append("off"))
    return told


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "_seconds", None)
    watchdog.start(120)


@pytest.mark.django_db
@pytest.mark.usefixtures("rung", "started")
@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("succeed", ["120 s", "off"]),
        ("fail", ["120 s", "off"]),
        (
            "three_steps_breaking_after",
            ["120 s", "120 s", "120 s", "120 s", "120 s", "off"],
        ),  # its total is a sign of life, too
    ],
)
def test_every_fenced_step_is_a_sign_of_life(handler: str, expected: list[str], signs: list[str], clock: Clock) -> None:
    job = actions.enqueue(f"{HERE}.{handler}", payload={"breaks_in": None}, run_at=clock.now)
    actions.run(job.pk, now_fn=clock)
    assert signs == expected


@pytest.mark.django_db
@pytest.mark.usefixtures("rung")
def test_outside_of_workers_nobody_watches(signs: list[str], clock: Clock) -> None:
    job = actions.enqueue(f"{HERE}.succeed", run_at=clock.now)
    assert actions.run(job.pk, now_fn=clock)
    assert signs == []

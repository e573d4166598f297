"""kill -9 of the worker in the middle of an activation over 100 000 risks, on both databases."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import ROOT, _administer, _environment, _manage

RISKS = 100_000
SEED = f"""
from bench.scoring_run import rescore, seed
seed({RISKS})
rescore()
"""
ACTIVATE = """
import copy
from django.utils import timezone
from assessments import versions
from assessments.models import Method
draft = versions.draft_from(source=Method.objects.get(), by=None, at=timezone.now())
definition = copy.deepcopy(draft.definition)
definition["bands"][1]["threshold"], definition["bands"][2]["threshold"] = 20, 40
definition["dimensions"][0]["levels"][4]["high"] = 20_000_000
versions.save_draft(method=draft, definition=definition, note="", at=timezone.now(), seen=draft.edited_at)
versions.schedule(method=draft, when=None, by=None, at=timezone.now())
print(draft.job)
"""
# How far the job is, and whether any cover sheet has a band that its own version would not give its score.
LOOK = """
import json
import numpy as np
from assessments import scoring
from assessments.models import Method
from riskreg.jobs.models import Job
from risks.models import CoverSheet, ScoreEntry
from django.db.models import Count
job = Job.objects.get(pk={job})
specs = {{m.version: m.spec() for m in Method.objects.all()}}
mixed, versions = 0, {{}}
for version, spec in specs.items():
    rows = np.array(CoverSheet.objects.filter(method_version=version).values_list("score", "band"), dtype=float)
    versions[version] = len(rows)
    if len(rows):
        mixed += int((scoring.band_positions(spec, rows[:, 0]) != rows[:, 1]).sum())
entries = ScoreEntry.objects.filter(run=job.pk)
twice = entries.values("risk").annotate(n=Count("pk")).filter(n__gt=1).count()
print(json.dumps({{"state": job.state, "done": job.done, "mixed": mixed, "versions": versions, "twice": twice,
                  "entries": entries.count(), "causes": sorted(set(entries.values_list("cause", flat=True))),
                  "active": Method.objects.get(state="active").version}}))
"""
# The two minutes after which a lease is over, without waiting for them.
EXPIRE = """
from django.utils import timezone
from riskreg.jobs.models import Job
Job.objects.filter(pk={job}).update(lease_until=timezone.now() - timezone.timedelta(seconds=1))
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    if request.param == "sqlite":
        yield _environment(tmp_path)
        return
    server = os.environ.get("TEST_DATABASE_URL") or "postgres://root@127.0.0.1:5432/postgres"
    name = f"riskreg_killed_{os.getpid()}"
    _administer(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}")
    url = re.sub(r"/[^/?]*(\?.*)?$", f"/{name}", server)
    yield _environment(tmp_path, DATABASE_URL=url, SECRET_KEY="a key of this test alone")
    _administer(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def told(environment: dict[str, str], code: str) -> str:
    return _manage(environment, "shell", "-v0", "-c", code).strip().splitlines()[-1]


def look(environment: dict[str, str], job: int) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(told(environment, LOOK.format(job=job)))
    return seen


def done_so_far(environment: dict[str, str], job: int) -> int:
    return int(told(environment, f"from riskreg.jobs.models import Job; print(Job.objects.get(pk={job}).done)"))


def test_a_killed_activation_completes_after_a_restart(environment: dict[str, str]) -> None:
    _manage(environment, "migrate", "--verbosity", "0")
    _manage(environment, "shell", "-v0", "-c", SEED)
    job = int(told(environment, ACTIVATE))

    worker = subprocess.Popen([sys.executable, "manage.py", "work_off"], cwd=ROOT, env=environment)
    deadline = time.monotonic() + 120
    while (done := done_so_far(environment, job)) == 0:
        assert worker.poll() is None, "the worker was done before it could be killed"
        assert time.monotonic() < deadline
    worker.send_signal(signal.SIGKILL)
    worker.wait()

    broken_off = look(environment, job)
    assert broken_off["state"] == "leased"
    assert done <= broken_off["done"] < RISKS
    assert broken_off["entries"] == broken_off["versions"]["2"] == broken_off["done"]
    assert broken_off["versions"]["1"] == RISKS - broken_off["done"]
    assert (broken_off["mixed"], broken_off["twice"], broken_off["active"]) == (0, 0, 2)

    _manage(environment, "shell", "-v0", "-c", EXPIRE.format(job=job))
    _manage(environment, "work_off")
    completed = look(environment, job)
    assert completed == {
        "state": "done",
        "done": RISKS,
        "mixed": 0,
        "versions": {"1": 0, "2": RISKS},
        "twice": 0,
        "entries": RISKS,
        "causes": ["rules"],
        "active": 2,
    }

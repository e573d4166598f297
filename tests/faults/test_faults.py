"""Every fault script at a small size: it exits with 1 when a count is wrong. Full sizes are in bench/faults.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import ROOT, SERVER, TEMPLATE, administer, on_server

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and only Linux ends orphans at once"),
]
SIDE_BY_SIDE = 3
Told = Callable[[str], dict[str, Any]]  # a script's line


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")}
    return kept | more


def migrate(env: dict[str, str]) -> None:
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True)


def run(script: str, template: str) -> subprocess.CompletedProcess[str]:
    name, *arguments = script.split()
    return subprocess.run(
        [sys.executable, "-m", f"tests.faults.{name}", *arguments],
        cwd=ROOT, env=environment(**{TEMPLATE: template}), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def run_all(request: pytest.FixtureRequest, template: str) -> Iterator[Told]:
    """Start the scripts of the class, some side by side because they mostly wait, and give each one's line when asked.

    The test fails with the line when the script did.
    """
    scripts = [item.callspec.params["script"] for item in request.session.items if item.cls is request.cls]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        started = {script: pool.submit(run, script, template) for script in scripts}

        def told(script: str) -> dict[str, Any]:
            ended = started[script].result()
            lines = ended.stdout.splitlines()
            assert len(lines) == 1, ended.stdout + ended.stderr[-3000:]
            line: dict[str, Any] = json.loads(lines[0])
            assert (ended.returncode, line["ok"]) == (0, True), f"{lines[0]}\n{ended.stderr[-3000:]}"
            return line

        yield told
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="class")
def embedded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    var = tmp_path_factory.mktemp("var")
    migrate(environment(RISKREG_VAR=str(var)))
    yield from run_all(request, str(var / "riskreg.sqlite3"))


@pytest.fixture(scope="class")
def team(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    name = f"riskreg_fault_template_{os.getpid()}"
    administer(SERVER, f"CREATE DATABASE {name}")
    try:
        database = {"DATABASE_URL": on_server(SERVER, name), "SECRET_KEY": "of this test alone"}
        migrate(environment(RISKREG_VAR=str(tmp_path_factory.mktemp("var")), **database))
        yield from run_all(request, name)
    finally:
        administer(SERVER, f"DROP DATABASE {name}")


class TestEmbedded:
    """SQLite and the filesystem as bell."""

    @pytest.mark.parametrize(
        "script",
        [
            "killed_halfway --size 60",
            "poison_jobs --size 12",
            "worker_killed --size 24",
            "pool_child_killed --size 24",
            "webhook_misbehaves --size 2",
            "smtp_misbehaves --size 9",
            "supervisor_killed --size 40",
            "terminated_under_load --size 40",
            "web_killed --size 40",
            "scheduler_killed --size 12",
            "clock_jumps --size 8",
        ],
    )
    def test_nothing_is_lost_or_done_twice(self, script: str, embedded: Told) -> None:
        assert embedded(script)["size"] == int(script.rpartition(" ")[2])


@pytest.mark.services
class TestTeam:
    """PostgreSQL and Redis."""

    @pytest.mark.parametrize(
        "script",
        [
            "postgres_crashed --size 24",
            "under_fire --size 10",
            "redis_killed --size 24",
            "redis_away --size 30",
            "pool_child_killed --team --size 24",
        ],
    )
    def test_nothing_is_lost_or_done_twice(self, script: str, team: Told) -> None:
        assert team(script)["size"] == int(script.rpartition(" ")[2])


def test_a_script_says_so_when_a_count_is_wrong(tmp_path: Path) -> None:
    code = "from tests.faults.harness import report; report('a fault', lambda size: ({'lost': 1}, False), size=3)"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, '{"fault": "a fault", "size": 3, "lost": 1, "ok": false}\n')

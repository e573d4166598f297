"""Every fault script at a small size: it exits with 1 when a count is wrong. Full sizes are in bench/faults.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import ROOT, SERVER, TEMPLATE, administer, on_server

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and only Linux ends orphans at once"),
]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")}
    return kept | more


def migrate(env: dict[str, str]) -> None:
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True)


def told(name: str, *arguments: object, template: str) -> dict[str, Any]:
    """The script's line; the test fails with it when the script does."""
    ended = subprocess.run(
        [sys.executable, "-m", f"tests.faults.{name}", *map(str, arguments)],
        cwd=ROOT, env=environment(**{TEMPLATE: template}), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    lines = ended.stdout.splitlines()
    assert len(lines) == 1, ended.stdout + ended.stderr[-3000:]
    line: dict[str, Any] = json.loads(lines[0])
    assert (ended.returncode, line["ok"]) == (0, True), f"{lines[0]}\n{ended.stderr[-3000:]}"
    return line


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    var = tmp_path_factory.mktemp("var")
    migrate(environment(RISKREG_VAR=str(var)))
    return str(var / "riskreg.sqlite3")


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    name = f"riskreg_fault_template_{os.getpid()}"
    administer(SERVER, f"CREATE DATABASE {name}")
    try:
        var = str(tmp_path_factory.mktemp("var"))
        migrate(environment(RISKREG_VAR=var, DATABASE_URL=on_server(SERVER, name), SECRET_KEY="of this test alone"))
        yield name
    finally:
        administer(SERVER, f"DROP DATABASE {name}")


class TestEmbedded:
    """SQLite and the filesystem as bell."""

    @pytest.mark.parametrize(
        ("name", "size"),
        [
            ("worker_killed", 24),
            ("pool_child_killed", 24),
            ("web_killed", 40),
            ("scheduler_killed", 12),
            ("supervisor_killed", 40),
            ("killed_halfway", 60),
            ("smtp_misbehaves", 9),
            ("webhook_misbehaves", 2),
            ("poison_jobs", 12),
            ("clock_jumps", 8),
            ("terminated_under_load", 40),
        ],
    )
    def test_nothing_is_lost_or_done_twice(self, name: str, size: int, sqlite: str) -> None:
        assert told(name, "--size", size, template=sqlite)["size"] == size


@pytest.mark.services
class TestTeam:
    """PostgreSQL and Redis."""

    @pytest.mark.parametrize(
        ("name", "size", "mode"),
        [
            ("pool_child_killed", 24, "--team"),
            ("redis_killed", 24, ""),
            ("redis_away", 30, ""),
            ("postgres_crashed", 40, ""),
            ("under_fire", 10, ""),
        ],
    )
    def test_nothing_is_lost_or_done_twice(self, name: str, size: int, mode: str, postgresql: str) -> None:
        assert told(name, "--size", size, *filter(None, [mode]), template=postgresql)["size"] == size


def test_a_script_says_so_when_a_count_is_wrong(tmp_path: Path) -> None:
    code = "from tests.faults.harness import report; report('a fault', lambda size: ({'lost': 1}, False), size=3)"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, '{"fault": "a fault", "size": 3, "lost": 1, "ok": false}\n')

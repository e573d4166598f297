"""The real command, with real kills. Nothing waits a fixed time: each step polls until a deadline."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and only Linux ends orphans at once")
# Private settings may be named for a run of this file alone; the tests' own have no broker for several processes.
SETTINGS = os.environ.get("SERVE_TEST_SETTINGS", "riskreg.settings")
CHILDREN = {"web": "gunicorn", "worker": "worker", "beat": "beat"}


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 40) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


class Served:
    """A running ``manage.py serve`` with a var folder of its own."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.env = {
            name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL", "DEBUG"}
        } | {"RISKREG_VAR": str(var), "DJANGO_SETTINGS_MODULE": SETTINGS}
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR, env=self.env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def start(self) -> None:
        self.screen = self.var / "screen.txt"
        self.log_sizes = {log: log.stat().st_size for log in self.var.glob("log/*.log")}
        with self.screen.open("wb") as screen:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(self.port)],
                cwd=settings.BASE_DIR, env=self.env, stdout=screen, stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_for(lambda: "Logs are in" in self.read(), f"start, but: {self.read()}")
        line = next(line for line in self.read().splitlines() if line.startswith("Listening on http://127.0.0.1:"))
        self.port = int(line.rpartition(":")[2])

    def read(self) -> str:
        return self.screen.read_text()

    def logs(self) -> str:
        """What the children wrote since the start."""
        return "".join(log.read_bytes()[self.log_sizes.get(log, 0) :].decode() for log in self.var.glob("log/*.log"))

    def end(self, number: signal.Signals) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(timeout=25)

    def processes(self) -> dict[int, str]:
        """Command lines, by process id, of all living processes that work in our var folder."""
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or int(folder.name) == os.getpid():
                continue
            try:
                ours = f"RISKREG_VAR={self.var}".encode() in (folder / "environ").read_bytes().split(b"\0")
                alive = (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                if ours and alive:
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:  # gone in the meantime
                continue
        return found

    def heads(self) -> dict[str, int]:
        """Process ids of the supervisor's own children, by name, as far as they run."""
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        running = self.processes()
        return {
            name: int(pid)
            for pid in children
            for name, word in CHILDREN.items()
            if f" {word} " in running.get(int(pid), "")
        }

    def status(self) -> int:
        """HTTP status of the sign-in page; raises OSError when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/accounts/login/", timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def job_done(self) -> bool:
        """A job put in by another process is done by the worker."""
        script = (
            "import django; django.setup()\n"
            "from riskreg.jobs.actions import enqueue\n"
            "print(enqueue('riskreg.jobs.tasks.tidy').pk)"
        )
        made = subprocess.run(
            [sys.executable, "-c", script],
            cwd=settings.BASE_DIR, env=self.env, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return bool(wait_for(lambda: self.state(int(made.stdout)) == "done", "job done"))

    def state(self, job_id: int) -> str:
        import sqlite3

        with sqlite3.connect(self.var / "riskreg.sqlite3") as database:
            return str(database.execute("SELECT state FROM jobs_job WHERE id = ?", [job_id]).fetchone()[0])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    var = tmp_path_factory.mktemp("var")
    served = Served(var)
    for command in (["migrate", "-v0"], ["collectstatic", "--noinput", "-v0"]):
        done = served.manage(*command)
        assert done.returncode == 0 or "Unknown command" in done.stderr, done.stderr[-2000:]
    return var


@pytest.fixture
def served(installed: Path) -> Iterator[Served]:
    served = Served(installed)
    served.start()
    yield served
    if served.process and served.process.poll() is None:
        served.process.kill()
        served.process.wait()
    wait_for(lambda: not served.processes(), "nothing left behind", 10)


def test_each_child_comes_back_after_a_kill(served: Served) -> None:
    wait_for(lambda: served.heads().keys() == CHILDREN.keys(), "three children")
    for name in CHILDREN:
        old = served.heads()[name]
        os.kill(old, signal.SIGKILL)
        wait_for(lambda name=name, old=old: served.heads().get(name, old) != old, f"{name} again")
        assert f"{name} ended (signal 9)" in served.read()
    assert served.status() == 200
    assert served.job_done()


def test_scheduler_and_worker_give_signs_of_life(served: Served) -> None:
    def roles() -> list[str]:
        import sqlite3

        with sqlite3.connect(served.var / "riskreg.sqlite3") as database:
            database.execute("DELETE FROM jobs_heartbeat WHERE datetime(seen_at) < datetime('now', '-1 minute')")
            return [row[0] for row in database.execute("SELECT DISTINCT role FROM jobs_heartbeat ORDER BY role")]

    def work() -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/health/work/", timeout=20) as answer:
            assert answer.status == 200
            read: dict[str, Any] = json.load(answer)
            return read

    wait_for(lambda: roles() == ["scheduler", "worker"], "a heartbeat of each")
    assert work()["status"] == "ok"
    assert 0 <= work()["scheduler_seconds"] <= 60


def test_what_a_killed_child_had_started_ends_too(served: Served) -> None:
    def below(name: str) -> set[int]:
        head = served.heads().get(name)
        return set() if head is None else {pid for pid in served.processes() if _parent(pid) == head}

    for name in ("web", "worker"):
        old = wait_for(lambda name=name: len(found := below(name)) == 2 and found, f"two processes below {name}")
        os.kill(served.heads()[name], signal.SIGKILL)
        wait_for(lambda old=old: not old & served.processes().keys(), f"{old} ended", 10)


def test_a_killed_pool_process_is_replaced(served: Served) -> None:
    head = wait_for(lambda: served.heads().get("worker"), "worker")
    pool = wait_for(lambda: {pid for pid in served.processes() if _parent(pid) == head}, "pool")
    for pid in pool:
        os.kill(pid, signal.SIGKILL)
    assert served.job_done()


def test_nothing_outlives_a_killed_supervisor_and_it_starts_again_on_its_port(served: Served) -> None:
    wait_for(lambda: len(served.processes()) >= 8, "supervisor, 3 children and their 4")
    served.end(signal.SIGKILL)
    wait_for(lambda: not served.processes(), "no orphans", 10)
    served.start()
    assert served.status() == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_in_order(served: Served, number: signal.Signals) -> None:
    wait_for(lambda: len(served.processes()) >= 8, "supervisor, 3 children and their 4")
    assert served.end(number) == 0
    assert served.processes() == {}
    assert served.read().endswith("Stopped.\n")
    assert {log.name for log in served.var.glob("log/*.log")} == {"web.log", "worker.log", "beat.log"}
    assert "Traceback" not in served.read() + served.logs()


def test_says_so_when_the_port_is_taken(installed: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        answer = Served(installed).manage("serve", "--port", str(port))
    assert answer.returncode == 1
    assert f"CommandError: Port {port} is in use by another program." in answer.stderr
    assert "Traceback" not in answer.stderr


def test_prints_the_callers_banner(installed: Path) -> None:
    banner, screen = installed / "banner.txt", installed / "screen.txt"
    banner.write_text("Sign in as demo\n")
    served = Served(installed)
    with screen.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", "0", "--banner-file", str(banner)],
            cwd=settings.BASE_DIR, env=served.env, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    wait_for(lambda: "Logs are in" in screen.read_text(), "banner")
    process.terminate()
    assert process.wait(timeout=25) == 0
    lines = screen.read_text().splitlines()
    assert "Sign in as demo" in lines
    assert not any(line.startswith("Listening") for line in lines)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0

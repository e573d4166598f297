"""One foreground process that starts the web server, the worker and the scheduler and keeps them alive.

It opens the listening socket itself, so that a web server that was killed finds the port as it left it and
nobody is refused meanwhile. Every child has a session of its own: Ctrl-C reaches only the supervisor, which
then ends them in order, and whatever a child leaves behind can be ended as one process group.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from riskreg.jobs.lifeline import die_with_parent

STOP_WITHIN = 20.0  # seconds for children to end by themselves; then they are killed
STEADY_AFTER = 10.0  # seconds; a child that lived longer starts again without delay
LONGEST_PAUSE = 30.0  # seconds between two starts of a child that keeps dying
TRIES_BEFORE_FIRST_PAGE = 3
LOG_BYTES = 10_000_000
LOOK_EVERY = 0.2  # seconds


@dataclass
class Child:
    """A process to be kept alive."""

    name: str
    command: list[str]
    log: Path
    leftover: Path | None = None  # a pid file that would keep the next one from starting
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_again_at: float = 0.0
    quick_deaths: int = 0

    def start(self, *, pass_fds: tuple[int, ...], cwd: Path) -> None:
        if self.leftover:
            self.leftover.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - commands are ours
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, "MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"},
                pass_fds=pass_fds,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl on a library loaded before the fork
            )
        self.started = time.monotonic()

    def signal_all(self, number: signal.Signals) -> None:
        """Reach the child and everything it started."""
        if self.process:
            # macOS gives the second error for groups of zombies.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def pause_after_death(self) -> float:
        """Seconds until the next start; doubles while the child keeps dying young."""
        self.quick_deaths = 0 if time.monotonic() - self.started > STEADY_AFTER else self.quick_deaths + 1
        return min(LONGEST_PAUSE, 0.1 * 2**self.quick_deaths) if self.quick_deaths else 0.0

    def last_lines(self, count: int = 15) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 8000))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-count:])


@dataclass
class Supervisor:
    """Runs children until SIGINT, SIGTERM or SIGHUP. ``say`` writes one line to the person at the screen."""

    children: list[Child]
    listener: socket.socket
    cwd: Path
    say: Callable[[str], None]
    when_ready: Callable[[], None]
    answered: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)
    _hurry: bool = False

    def run(self) -> int:
        """Returns the exit code: 0 after a signal, 1 when a child cannot be started at all."""
        before = {number: signal.signal(number, self._on_signal) for number in _STOPPING}
        try:
            for child in self.children:
                self._start(child)
            return self._watch()
        finally:
            self._end_children()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _watch(self) -> int:
        look_at_logs = 0.0
        while not self._stop.wait(LOOK_EVERY):
            for child in self.children:
                self._look_after(child)
                if not self.answered and child.quick_deaths >= TRIES_BEFORE_FIRST_PAGE:
                    self.say(f"{child.name} does not start. The end of {child.log}:\n\n{child.last_lines()}\n")
                    return 1
            if not self.answered and answers(self.listener):
                self.answered = True
                self.when_ready()
            if time.monotonic() > look_at_logs:
                look_at_logs = time.monotonic() + 60
                shorten_logs(child.log for child in self.children)
        return 0

    def _look_after(self, child: Child) -> None:
        if child.process is None:
            if time.monotonic() >= child.start_again_at:
                self._start(child)
            return
        code = child.process.poll()
        if code is None:
            return
        child.signal_all(signal.SIGKILL)  # what it may have left behind
        child.process = None
        pause = child.pause_after_death()
        child.start_again_at = time.monotonic() + pause
        self.say(f"{child.name} ended ({_how(code)}); it starts again in {pause:.1f} s. See {child.log}")

    def _start(self, child: Child) -> None:
        child.start(pass_fds=(self.listener.fileno(),), cwd=self.cwd)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._hurry = self._stop.is_set()  # asked twice
        self._stop.set()

    def _end_children(self) -> None:
        running = [child for child in self.children if child.process]
        for child in running:
            if child.process and child.process.poll() is None:
                child.process.terminate()  # the head only: it ends its own children in order
        deadline = time.monotonic() + STOP_WITHIN
        while time.monotonic() < deadline and not self._hurry:
            if all(child.process is None or child.process.poll() is not None for child in running):
                break
            time.sleep(0.05)
        for child in running:
            child.signal_all(signal.SIGKILL)
        for child in running:
            if child.process:
                child.process.wait()


_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket that children may inherit. Raises OSError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=512)
    listener.set_inheritable(True)
    return listener


def answers(listener: socket.socket) -> bool:
    """Whether a web server behind the socket gives any HTTP answer, within 2 seconds."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - the address is asked, not opened
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/accounts/login/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def shorten_logs(logs: Iterable[Path]) -> None:
    """Keep a log that has grown over LOG_BYTES as ``.1`` and empty it; children append, so they write on."""
    for log in logs:
        if log.exists() and log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_name(log.name + ".1"))
            os.truncate(log, 0)


def children(*, socket_fd: int, var: Path, web_processes: int, threads: int, concurrency: int) -> list[Child]:
    """The three processes of the embedded mode, with their logs and state below ``var``."""
    celery = [sys.executable, "-m", "celery", "-A", "riskreg"]
    beat = var / "beat"
    beat.mkdir(parents=True, exist_ok=True)
    logs = var / "log"
    logs.mkdir(parents=True, exist_ok=True)
    web = [
        *(sys.executable, "-m", "gunicorn", "riskreg.wsgi", "--bind", f"fd://{socket_fd}"),
        *("--config", "python:riskreg.jobs.gunicorn_conf", "--no-control-socket"),
        *("--worker-class", "gthread", "--workers", str(web_processes), "--threads", str(threads)),
        *("--timeout", "60", "--graceful-timeout", "15", "--log-level", "warning"),
    ]
    worker = [
        *(*celery, "worker", "--pool", "prefork", "--concurrency", str(concurrency), "--loglevel", "WARNING"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "--hostname", "worker@localhost"),
    ]
    scheduler = [
        *(*celery, "beat", "--loglevel", "WARNING"),
        *("--schedule", str(beat / "schedule"), "--pidfile", str(beat / "pid")),
    ]
    return [
        Child("web", web, logs / "web.log"),
        Child("worker", worker, logs / "worker.log"),
        Child("beat", scheduler, logs / "beat.log", leftover=beat / "pid"),
    ]


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"

"""Real stacks and a real browser: nothing here runs in the test's own process but the hand on the mouse."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "sample-register"
ALWAYS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@dataclass
class Stack:
    """A running product: its address, and how to run its commands."""

    url: str
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def manage(self, *arguments: str) -> str:
        return _manage(self.environment, *arguments)


def _manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _environment(var: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")}
    return {**kept, "RISKREG_VAR": str(var), "LOG_LEVEL": "WARNING", **more}


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _start(environment: dict[str, str], *command: str) -> subprocess.Popen[bytes]:
    log = Path(environment["RISKREG_VAR"]) / f"{command[-1].strip('-')}.log"
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True
        )


def _await(url: str, processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            assert all(p.poll() is None for p in processes), "a process of the stack ended"
            assert time.monotonic() < deadline, f"{url} does not answer"
            select_for_a_moment()
        else:
            return


def select_for_a_moment() -> None:
    import select

    select.select([], [], [], 0.1)


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """What `make run` starts: one command on SQLite, without any service."""
    port = _free_port()
    environment = _environment(tmp_path_factory.mktemp("var"), SITE_URL=f"http://127.0.0.1:{port}")
    _manage(environment, "migrate", "--verbosity", "0")
    _manage(environment, "load_sample")
    processes = [_start(environment, "manage.py", "serve", f"--port={port}", "--concurrency=1", "--web-processes=1")]
    stack = Stack(f"http://127.0.0.1:{port}", environment, processes)
    try:
        _await(f"{stack.url}/accounts/login/", processes)
        yield stack
    finally:
        _stop(processes)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL and Redis, with web, worker and beat as processes of their own."""
    server = os.environ.get("TEST_DATABASE_URL") or "postgres://root@127.0.0.1:5432/postgres"
    name = f"riskreg_journey_{os.getpid()}"
    url = re.sub(r"/[^/?]*(\?.*)?$", f"/{name}", server)
    _administer(server, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    port = _free_port()
    var = tmp_path_factory.mktemp("var")
    environment = _environment(
        var,
        DATABASE_URL=url,
        REDIS_URL=os.environ.get("TEST_REDIS_URL") or "redis://127.0.0.1:6379/9",
        SECRET_KEY="a key of this test alone",
        SITE_URL=f"http://127.0.0.1:{port}",
    )
    _manage(environment, "migrate", "--verbosity", "0")
    _manage(environment, "load_sample", "--force")
    processes = [
        _start(environment, "-m", "gunicorn", "riskreg.wsgi", "--workers=1", "--threads=4", f"--bind=127.0.0.1:{port}"),
        _start(environment, "-m", "celery", "-A", "riskreg", "worker", "--concurrency=1", "--loglevel=WARNING"),
        _start(environment, "-m", "celery", "-A", "riskreg", "beat", f"--schedule={var / 'beat'}", "--loglevel=INFO"),
    ]
    stack = Stack(f"http://127.0.0.1:{port}", environment, processes)
    try:
        _await(f"{stack.url}/accounts/login/", processes)
        yield stack
    finally:
        _stop(processes)
        _administer(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _administer(server: str, *statements: str) -> None:
    connection = psycopg2.connect(server.replace("postgres://", "postgresql://"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # The browser keeps an event loop in this process, for which Django would refuse the tests that come after.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
        path = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
        browser = playwright.chromium.launch(executable_path=path, args=ALWAYS)
        yield browser
        browser.close()


@dataclass
class Person:
    """Somebody at the browser."""

    page: Page
    url: str
    complaints: list[str]

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)
        self.page.wait_for_load_state("networkidle")

    def at(self) -> str:
        return self.page.url.removeprefix(self.url)

    def reload_until(self, selector: str, path: str) -> None:
        """Open a page again until something appears on it: for what a worker does in its own time."""
        deadline = time.monotonic() + 60
        while True:
            self.go(path)
            if self.page.locator(selector).count():
                return
            assert time.monotonic() < deadline, f"{selector} never appeared on {path}"
            self.page.wait_for_timeout(250)

    def score(self) -> int:
        """On a risk's page: the score it shows."""
        return int(self.page.locator(".big-score strong").inner_text())

    def run_now(self, name: str) -> None:
        """As an administrator: start a recurring job."""
        self.go("/jobs/")
        self.page.click(f'form[action="/jobs/run/{name}/"] button')
        self.page.wait_for_selector(".alert-success")


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Person]]:
    """Log somebody in; at the end of the test nothing may have complained in the browser's console."""
    contexts: list[BrowserContext] = []
    people: list[Person] = []

    def log_in(stack: Stack, username: str, *, width: int = 1440, **options: object) -> Person:
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        complaints: list[str] = []

        def note(message: ConsoleMessage) -> None:
            if message.type == "error":
                complaints.append(message.text)

        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())
        person = Person(page, stack.url, complaints)
        person.go("/accounts/login/")
        page.fill("[name=username]", username)
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_url(f"{stack.url}/")
        people.append(person)
        return person

    yield log_in
    for context in contexts:
        context.close()
    assert [complaint for person in people for complaint in person.complaints] == []

"""Errors reach the server of the DSN, and nothing secret with them. The server is a real one on this machine."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

import riskreg
from riskreg import reporting

SECRET = "tiger-in-the-tank-42"
PAGE = f"""
import io
from django.conf import settings
settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"  # there is no database
from riskreg.wsgi import application
from django.contrib.auth import views

def broken(self):
    local = {SECRET!r}
    raise RuntimeError("broken on purpose")

views.LoginView.get_form_class = broken
csrf = "a" * 32
body = f"csrfmiddlewaretoken={{csrf}}&username={SECRET}&password={SECRET}".encode()
secret = ("AUTHORIZATION", "X_ANYTHING", "USER_AGENT", "X_FORWARDED_FOR")
environ = {{
    "REQUEST_METHOD": "POST", "PATH_INFO": "/accounts/login/", "QUERY_STRING": "next={SECRET}",
    "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "HTTP_HOST": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1",
    "CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body)),
    "HTTP_COOKIE": f"csrftoken={{csrf}}; sessionid={SECRET}", "wsgi.input": io.BytesIO(body),
    "wsgi.errors": io.StringIO(), "wsgi.url_scheme": "http", "REMOTE_ADDR": "127.0.0.1",
    **{{f"HTTP_{{name}}": {SECRET!r} for name in secret}},
}}
application(environ, lambda status, headers: print(status))
import sentry_sdk
sentry_sdk.flush(10)
"""
JOB = f"""
import django
django.setup()
import logging
logging.getLogger("riskreg.test").warning("searched for {SECRET}")
try:
    local = {SECRET!r}
    raise RuntimeError("a job broken on purpose")
except RuntimeError:
    logging.getLogger("riskreg.jobs.actions").exception("%s failed", "job 7", extra={{"payload": {SECRET!r}}})
import sentry_sdk
sentry_sdk.flush(10)
"""


class Collector:
    """Takes what a Sentry client sends."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                outer.bodies.append(body.decode())
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.http.server_address[1]}/1"

    def events(self) -> list[dict[str, Any]]:
        """The events in all envelopes: a line about the envelope, then a line about each item and the item."""
        found = []
        for body in self.bodies:
            lines = body.splitlines()[1:]
            for head, item in zip(lines[::2], lines[1::2], strict=False):
                if json.loads(head)["type"] == "event":
                    found.append(json.loads(item))
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.http.shutdown()
    made.http.server_close()


def run(code: str, tmp_path: Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "SENTRY_DSN"}}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=60, check=False,
        env={**kept, "RISKREG_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "riskreg.settings", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_error_of_a_page_arrives_without_anything_secret(collector: Collector, tmp_path: Path) -> None:
    assert run(PAGE, tmp_path, SENTRY_DSN=collector.dsn) == "500 Internal Server Error\n"
    [event] = collector.events()
    assert event["exception"]["values"][-1]["value"] == "broken on purpose"
    assert event["request"] == {"method": "POST", "url": "http://127.0.0.1/accounts/login/"}
    assert event["release"] == f"riskreg@{riskreg.__version__}"
    assert event["environment"] == "production"
    assert [body for body in collector.bodies if SECRET in body] == []
    frames = [frame for value in event["exception"]["values"] for frame in value["stacktrace"]["frames"]]
    assert [frame for frame in frames if "vars" in frame] == []


def test_a_failed_job_arrives_without_anything_secret(collector: Collector, tmp_path: Path) -> None:
    run(JOB, tmp_path, SENTRY_DSN=collector.dsn)
    [event] = collector.events()
    assert event["logentry"]["params"] == ["job 7"]
    assert event["exception"]["values"][-1]["value"] == "a job broken on purpose"
    assert [name for name in ("extra", "breadcrumbs", "user", "server_name") if event.get(name)] == []
    assert [body for body in collector.bodies if SECRET in body] == []


def test_without_a_dsn_nothing_is_even_loaded(collector: Collector, tmp_path: Path) -> None:
    code = "import django, sys; django.setup(); print('sentry_sdk' in sys.modules)"
    assert run(code, tmp_path) == "False\n"
    assert run(code, tmp_path, SENTRY_DSN=collector.dsn) == "True\n"


@pytest.mark.parametrize("dsn", ["sentry", "https://sentry.example.com/1", "http://key@/1"])
def test_a_wrong_dsn_stops_the_start_and_is_named(dsn: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^SENTRY_DSN must be the address of a project, not this: "):
        reporting.start(dsn, environment="production")


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    assert riskreg.__version__ == project["version"]

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import time_machine

from tests.monitoring.mail_server import MailServer
from tests.monitoring.times import NOW
from tests.riskreg.test_outside import Server


@pytest.fixture
def monday_morning() -> Iterator[None]:
    """The clock stands still at NOW; a test may travel on from there."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Real HTTP servers on this machine, each answering with the statuses it was given, then with 204."""
    running: list[Server] = []

    def start(*statuses: int | Callable[[BaseHTTPRequestHandler], None], tls: Any = None) -> Server:
        left = list(statuses)

        def behave(request: BaseHTTPRequestHandler) -> None:
            answer = left.pop(0) if left else 204
            if callable(answer):
                answer(request)
                return
            request.send_response(answer)
            request.send_header("Content-Length", "0")
            request.end_headers()

        running.append(Server(behave, tls))
        return running[-1]

    yield start
    for server in running:
        server.end()


@pytest.fixture
def mail_server(settings: Any) -> Iterator[MailServer]:
    """A real mail server on this machine, which the product is set to send to."""
    server = MailServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    yield server
    server.end()

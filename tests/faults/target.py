"""An HTTP server that webhooks are pointed at, well-behaved or not; it counts what reaches it."""

from __future__ import annotations

from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

BLOCK = b"x" * 65536
MUCH = 10 * 1024**3


class Target(ThreadingHTTPServer):
    """``/well`` takes what comes, ``/hang`` says nothing, ``/flood`` answers 10 GB, ``/inward`` leads to ``secret``."""

    daemon_threads = True

    def __init__(self, secret: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.secret, self.over, self.lock = secret, Event(), Lock()
        self.calls: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()  # webhook-ids at /well
        self.sent: Counter[str] = Counter()  # bytes
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def close(self) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()


class _Answers(BaseHTTPRequestHandler):
    server: Target

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            self.server.calls[self.path] += 1
            if self.path == "/well":
                self.server.ids[self.headers["webhook-id"]] += 1
        if self.path == "/hang":
            self.server.over.wait()
        elif self.path == "/flood":
            self._flood()
        elif self.path == "/inward":
            self._answer(302, Location=self.server.secret)
        else:
            self._answer(204)

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _flood(self) -> None:
        self._answer(200, **{"Content-Length": str(MUCH)})
        try:
            for _ in range(MUCH // len(BLOCK)):
                self.wfile.write(BLOCK)
                with self.server.lock:
                    self.server.sent["/flood"] += len(BLOCK)
        except OSError:  # the caller has heard enough
            return

    def log_message(self, *_arguments: Any) -> None:
        """Nothing: the script prints one line."""

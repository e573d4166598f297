from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from riskreg.jobs import bell
from riskreg.jobs.supervisor import Supervisor, children, listen


class Command(BaseCommand):
    help = "Runs the whole product in the foreground: web pages, background work and its timetable. Ctrl-C ends it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=8000, help="0 takes any free port")
        parser.add_argument("--web-processes", type=int, default=2)
        parser.add_argument("--threads", type=int, default=4, help="threads of each web process")
        parser.add_argument("--concurrency", type=int, default=2, help="background jobs at the same time")
        parser.add_argument("--banner-file", type=Path, help="text to print once the pages answer")

    def handle(self, *_args: Any, **options: Any) -> None:
        listener = self._listen(options["host"], options["port"])
        bell.prepare()
        supervisor = Supervisor(
            children=children(
                socket_fd=listener.fileno(),
                var=settings.VAR_DIR,
                web_processes=options["web_processes"],
                threads=options["threads"],
                concurrency=options["concurrency"],
            ),
            listener=listener,
            cwd=settings.BASE_DIR,
            say=self._say,
            when_ready=lambda: self._greet(listener, options["banner_file"]),
        )
        code = supervisor.run()
        if code:
            raise CommandError("Stopped.", returncode=code)
        self._say("Stopped.")

    def _listen(self, host: str, port: int) -> socket.socket:
        try:
            return listen(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CommandError(
                    f"Port {port} is in use by another program. End that one, or choose another: --port {port + 1}"
                ) from error
            raise CommandError(f"Cannot listen on {host}, port {port}: {error.strerror or error}") from error

    def _greet(self, listener: socket.socket, banner: Path | None) -> None:
        host, port = listener.getsockname()[:2]
        default = f"Listening on http://{f'[{host}]' if ':' in host else host}:{port}"
        self._say(banner.read_text().rstrip() if banner else default)
        self._say(f"Logs are in {settings.VAR_DIR / 'log'}. Ctrl-C stops.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

"""A mail server in a thread of its own: keeps what it took as the bytes that came over the wire."""

from __future__ import annotations

import asyncio
import email
import email.policy
from dataclasses import dataclass
from email.message import EmailMessage
from threading import Event, Thread
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Taken:
    sender: str
    to: list[str]
    raw: bytes

    def read(self) -> EmailMessage:
        """As a mail program reads it."""
        message = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return message


class MailServer:
    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.answers: list[str] = []  # to the next mails, before it takes them with 250
        self.port = 0
        self._loop = asyncio.new_event_loop()
        listens = Event()
        self._thread = Thread(target=self._run, args=(listens,), name="mail server", daemon=True)
        self._thread.start()
        assert listens.wait(10)

    def _run(self, listens: Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: SMTP(self, hostname="localhost"), "127.0.0.1", 0)
        )
        self.port = server.sockets[0].getsockname()[1]
        listens.set()
        self._loop.run_forever()
        server.close()
        self._loop.close()

    def end(self) -> None:
        """From now on nobody answers."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.taken.append(Taken(envelope.mail_from or "", list(envelope.rcpt_tos), envelope.content))
        return answer

"""A mail server in a process of its own: notes each mail it took as ``address message-id``, and misbehaves if asked.

An address says how it is treated: ``refused@`` never taken, ``busy-…@`` not the first time, ``dropped-…@`` taken the
first time, but the connection ends before the answer, ``silent-…@`` the first time no answer for ten seconds.
"""

from __future__ import annotations

import asyncio
import sys
from email import message_from_bytes
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

SILENCE = 10.0  # seconds


class Sink:
    def __init__(self, notes: Path) -> None:
        self.notes = notes
        self.seen: set[str] = set()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("refused"):
            return "550 No such person"
        if address.startswith("busy") and self._first(address):
            return "451 Try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        [address] = envelope.rcpt_tos
        if address.startswith("silent") and self._first(address):
            await asyncio.sleep(SILENCE)
            return "451 Too slow"
        identity = message_from_bytes(envelope.content or b"")["Message-ID"]
        with self.notes.open("a") as notes:
            notes.write(f"{address} {identity}\n")
        if address.startswith("dropped") and self._first(address):
            server.transport.abort()
        return "250 Taken"

    def _first(self, address: str) -> bool:
        first = address not in self.seen
        self.seen.add(address)
        return first


async def serve(port: int, notes: Path) -> None:
    sink = Sink(notes)
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(sink, enable_SMTPUTF8=True), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))

"""What one job may take of its worker: so much time without a sign of life, and so much memory.

A thread cannot be killed, so the process leaves. The lease brings its job back, and used-up attempts end that.
"""

from __future__ import annotations

import faulthandler
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_seconds: float | None = None  # None: nobody watches, as in web pages and tests


def start(seconds: float) -> None:
    """Have this process leave when a job shows no sign of life for ``seconds``."""
    global _seconds  # noqa: PLW0603 - a process has one watchdog
    _seconds = seconds


@contextmanager
def watching() -> Iterator[None]:
    """Watch over what is done inside, where this process has a watchdog."""
    renew()
    try:
        yield
    finally:
        if _seconds is not None:
            faulthandler.cancel_dump_traceback_later()


def renew() -> None:
    """The job lives: it has ``seconds`` again."""
    if _seconds is not None:
        # A thread of the C library: unlike one of ours it also runs while a job holds the interpreter's lock. It
        # writes down where the job stands, then leaves with exit code 1. Celery has replaced sys.stderr.
        faulthandler.dump_traceback_later(_seconds, exit=True, file=sys.__stderr__)


def limit_memory(megabytes: int) -> None:
    """Have allocations beyond the limit fail with MemoryError. Linux only, elsewhere nothing happens.

    What a process writes to counts, not what it maps: shared libraries and reserved address space are free.
    """
    if sys.platform == "linux":
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes * 1024 * 1024, most))

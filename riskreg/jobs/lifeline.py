"""No orphans: a child process ends when its parent does, however that ended."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from typing import Any

from billiard.pool import Pool

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
# Loaded here, because between fork and exec there is no safe moment to load a library.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent is gone. Linux only, elsewhere nothing happens.

    For processes started by the main thread of their parent: the kernel counts the thread, not the process.
    """
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def leave_with_parent(parent: int, every_seconds: float = 0.5) -> None:
    """Watch the parent from a thread and leave at once when it is gone. Works on any Unix and with any thread.

    ``parent`` is its process id as known before the fork: asked afterwards, it may already be the adoptive one.
    """
    threading.Thread(target=_watch, args=(parent, every_seconds), name="lifeline", daemon=True).start()


def _watch(parent: int, every_seconds: float) -> None:
    while os.getppid() == parent:
        time.sleep(every_seconds)
    # Not sys.exit: the main thread may hang in a job. The lease brings that job back.
    os.kill(os.getpid(), signal.SIGKILL)


def leave_with_a_killed_child(pool: Any) -> None:
    """Have a worker leave, to be started anew, when one of its pool processes was killed.

    Without an event loop (the filesystem broker has none) idle pool processes wait for work holding a common
    lock. One killed at that moment never gives it back, and its worker would look alive and work no more.
    """
    if type(pool) is Pool:  # with Redis it is a subclass that shares no lock
        pool.on_process_down = _leave_if_killed


def _leave_if_killed(process: Any) -> None:
    if process.exitcode is not None and process.exitcode < 0:
        logger.error("Pool process %s was killed by signal %s; this worker leaves.", process.pid, -process.exitcode)
        os._exit(os.EX_SOFTWARE)  # no cleaning up, that would wait for the lock

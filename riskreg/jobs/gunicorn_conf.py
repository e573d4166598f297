"""Configuration of the web server as started by ``manage.py serve``."""

from __future__ import annotations

import os
from typing import Any

from riskreg.jobs.lifeline import die_with_parent


def post_fork(server: Any, worker: Any) -> None:
    die_with_parent()
    if os.getppid() != worker.ppid:  # the parent was gone before we could ask
        os._exit(1)

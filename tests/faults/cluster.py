"""A PostgreSQL of a script's own, which may be crashed. It never runs as root, so then somebody else owns it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.harness import free_port


@dataclass
class Cluster:
    folder: Path
    port: int
    owner: str | None

    @property
    def url(self) -> str:
        return f"postgres://fault@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        self._run("pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options)

    def crash(self) -> None:
        """End without any order, then recover."""
        self._run("pg_ctl", "restart", "-w", "-m", "immediate", "-D", "data", "-l", "log")

    def make(self) -> None:
        self._run("initdb", "-D", "data", "-U", "fault", "-A", "trust", "-E", "UTF8", "--no-locale")

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-m", "immediate", "-D", "data")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [_found(program), *arguments], cwd=self.folder, user=self.owner, check=True, stdout=subprocess.DEVNULL
        )


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running server on the loopback, with a superuser ``fault``; gone at the end."""
    owner = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="riskreg-cluster-") as folder:
        if owner:
            os.chown(folder, pwd.getpwnam(owner).pw_uid, -1)
        made = Cluster(Path(folder), free_port(), owner)
        made.make()
        made.start()
        try:
            yield made
        finally:
            made.stop()


def _found(program: str) -> str:
    """On the path, or where Debian keeps the programs of its newest version."""
    places = [str(place) for place in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which(program) or shutil.which(program, path=os.pathsep.join(places))
    if found is None:
        raise FileNotFoundError(f"{program} of PostgreSQL")
    return found

"""What a fault script needs: a stand of its own with database, broker and processes, all gone at its end.

The processes are the product's own, started with its own commands and under tests/faults/settings.py. Everything
listens on the loopback only. A script prints one line and judges counts, never times.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
from django.db.models import Count, Q, Sum

if TYPE_CHECKING:
    from riskreg.jobs.models import JobQuerySet
    from riskreg.jobs.supervisor import Child

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 1800.0  # seconds until a script that waits in vain gives up
EVERY = 0.05
FULL = 600  # jobs; the tests have fewer
Counts = dict[str, int]
SERVER = os.environ.get("TEST_DATABASE_URL") or "postgres://root@127.0.0.1:5432/postgres"
# Made once for many scripts (test_faults.py): a migrated SQLite file, or the name of a migrated database.
TEMPLATE = "FAULTS_TEMPLATE"


def report(fault: str, work: Callable[..., tuple[Counts, bool]], *, size: int, either: bool = False) -> None:
    """Do ``work(size)``, print its counts in one line of JSON, and exit with 1 when it says they are wrong.

    With ``either`` the fault can be shown in both modes, and ``work(size, team=...)`` is told which one.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=size)
    if either:
        parser.add_argument("--team", action="store_true", help="on PostgreSQL and Redis, not in the embedded mode")
    options = vars(parser.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    line: dict[str, Any] = {"fault": fault, **options}
    try:
        counts, ok = work(options.pop("size"), **options)
        line |= counts | {"ok": ok}
    except Exception as error:
        traceback.print_exc()
        line |= {"error": repr(error), "ok": False}
    print(json.dumps(line), flush=True)  # noqa: T201 - what a script has to say
    sys.exit(0 if line["ok"] else 1)


class Stand:
    """A database with the product's tables, a broker, and the processes that a script starts on them."""

    def __init__(self, var: Path) -> None:
        from riskreg.jobs import supervisor

        self.var = var
        self.listener = supervisor.listen("127.0.0.1", 0)
        self.port: int = self.listener.getsockname()[1]
        web, worker, beat = supervisor.children(
            socket_fd=self.listener.fileno(), var=var, web_processes=2, threads=4, concurrency=2
        )
        self.web, self.worker, self.beat = web, worker, beat
        self.running: list[Child] = []
        self.restarts = self.shots = 0
        self.redis: Child
        self.redis_url = ""
        self.sink: Child

    def start(self, *children: Child) -> None:
        for child in children:
            child.start(pass_fds=(self.listener.fileno(),), cwd=ROOT)
            self.running.append(child)

    def kill(self, child: Child) -> None:
        """Kill a process and all below it. It comes back with the next look, as under the supervisor."""
        child.signal_all(signal.SIGKILL)
        if child.process:
            child.process.wait()

    def stop(self, *children: Child) -> None:
        """End processes for good."""
        for child in children:
            self.running.remove(child)
            self.kill(child)

    def tend(self) -> None:
        """What the supervisor does: start again what has died."""
        for child in self.running:
            if child.process and child.process.poll() is not None:
                child.signal_all(signal.SIGKILL)
                child.start(pass_fds=(self.listener.fileno(),), cwd=ROOT)
                self.restarts += 1

    def until(self, condition: Callable[[], Any], *, what: str, seconds: float = PATIENCE) -> Any:
        """Look again and again until the condition holds; gives its value."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: {self.last_words()}")
            self.tend()
            time.sleep(EVERY)
        return value

    def watch(self, seconds: float) -> None:
        """Let time go by while the processes are looked after."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.tend()
            time.sleep(EVERY)

    def pages(self) -> None:
        """Start the web server and wait until it answers."""
        from riskreg.jobs.supervisor import answers

        self.start(self.web)
        self.until(lambda: answers(self.listener), what="a page")

    def last_words(self) -> str:
        return "\n".join(f"{child.name}: {child.last_lines()}" for child in self.running if child.log.exists())

    def second_beat(self) -> Child:
        """One that somebody started by mistake."""
        from riskreg.jobs.supervisor import Child

        pid = self.var / "beat" / "pid2"
        command = [
            *(sys.executable, "-m", "celery", "-A", "riskreg", "beat", "--loglevel", "WARNING"),
            *("--schedule", str(self.var / "beat" / "schedule2"), "--pidfile", str(pid)),
        ]
        return Child("beat2", command, self.var / "log" / "beat2.log", leftover=pid)

    def whole(self, port: int) -> Child:
        """The product as one command, on a port of its own."""
        from riskreg.jobs.supervisor import Child

        command = [sys.executable, "manage.py", "serve", "--port", str(port)]
        return Child("serve", command, self.var / "log" / "serve.log")


def redis(var: Path, port: int, *more: str) -> Child:
    """A Redis of our own that forgets everything when it is killed."""
    from riskreg.jobs.supervisor import Child

    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", *more]
    return Child("redis", [*command, "--dir", str(var)], var / "log" / "redis.log")


def sink(var: Path, port: int) -> Child:
    """A mail server that notes what it took (tests/faults/sink.py)."""
    from riskreg.jobs.supervisor import Child

    command = [sys.executable, "-m", "tests.faults.sink", str(port), str(var / "mails.txt")]
    return Child("sink", command, var / "log" / "sink.log")


@contextmanager
def stand(*, team: bool, mail: bool = False, server: str = SERVER, **settings: str) -> Iterator[Stand]:
    """A stand in the embedded mode, or the team mode on PostgreSQL (``server``) and a Redis of its own."""
    with contextlib.ExitStack() as stack:
        var = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="riskreg-fault-", ignore_cleanup_errors=True))
        )
        (var / "log").mkdir()
        more = {"RISKREG_VAR": str(var), "DJANGO_SETTINGS_MODULE": "tests.faults.settings", **settings}
        for name in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(name, None)
        if team:
            port = free_port()
            more |= {
                "DATABASE_URL": stack.enter_context(_database(server)),
                "REDIS_URL": f"redis://127.0.0.1:{port}/0",
                "SECRET_KEY": "of this fault alone",
            }
        if mail:
            more |= {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(free_port())}
        os.environ.update({"LOG_LEVEL": "WARNING", **more})
        template = _template(server)
        if not template:
            migrate()
        elif not team:
            shutil.copyfile(template, var / "riskreg.sqlite3")

        import django

        django.setup()
        from riskreg.jobs import bell

        bell.prepare()
        made = Stand(var)
        stack.callback(_end, made)
        if team:
            made.redis, made.redis_url = redis(var, port), more["REDIS_URL"]
            made.start(made.redis)
        if mail:
            made.sink = sink(var, int(more["EMAIL_PORT"]))
            made.start(made.sink)
        yield made


def administer(server: str, *statements: str) -> None:
    connection = psycopg2.connect(server.replace("postgres://", "postgresql://"))
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def migrate() -> None:
    """Make the tables, in the database of the environment."""
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, check=True)


def on_server(server: str, name: str) -> str:
    """The address of another database of the same server."""
    return re.sub(r"/[^/?]*(\?.*)?$", f"/{name}", server)


@contextmanager
def _database(server: str) -> Iterator[str]:
    name = f"riskreg_fault_{os.getpid()}"
    template = _template(server)
    administer(server, f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    try:
        yield on_server(server, name)
    finally:
        with contextlib.suppress(psycopg2.OperationalError):  # a server of our own is gone by now
            administer(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _template(server: str) -> str | None:
    """What was made once for many scripts; nothing on a server that is a script's own."""
    return os.environ.get(TEMPLATE) if server == SERVER else None


def _end(made: Stand) -> None:
    from django.db import connections

    connections.close_all()
    for child in made.running:
        made.kill(child)
    made.listener.close()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def children_of(pid: int) -> list[int]:
    """Process ids of the children, whichever thread of the parent started them."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def processes_of(var: Path) -> list[int]:
    """Process ids of all that live with this var folder, but for the script itself."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            ours = f"RISKREG_VAR={var}".encode() in (folder / "environ").read_bytes().split(b"\0")
            alive = (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            if ours and alive and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


# --- jobs whose effects can be counted -------------------------------------------------------------------

RISKS_EACH = 3
KINDS = "tests.faults.kinds"
OURS = ("monitoring.tasks.send_digest",)


def fill_register(risks: int) -> None:
    """A team with so many risks, numbered from 1."""
    from django.core.management.color import no_style
    from django.db import connection

    from bench.scoring_run import seed
    from risks.models import Risk

    seed(risks)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [Risk]):
            cursor.execute(statement)


def analyse() -> None:
    """What PostgreSQL does by itself within a minute of so many new rows; plans made before then are hopeless."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def put_in_rescores(jobs: int, *, risks: int | None = None) -> None:
    """A register with at least three risks for each job, and the jobs, which score one of theirs after the other."""
    from riskreg.jobs.actions import enqueue_many

    fill_register(risks or jobs * RISKS_EACH)
    enqueue_many(f"{KINDS}.rescore", payloads(0, jobs))


def payloads(first: int, last: int) -> dict[str, dict[str, Any]]:
    """Payloads by key of the jobs from one number up to another, each with risks that no other has."""
    return {
        f"fault:{n}": {"risks": list(range(1 + n * RISKS_EACH, 1 + (n + 1) * RISKS_EACH))} for n in range(first, last)
    }


def ours() -> JobQuerySet:
    """The jobs that scripts put in; the product puts in others meanwhile."""
    from riskreg.jobs.models import Job

    return Job.objects.filter(Q(kind__startswith=KINDS) | Q(kind__in=OURS))


def unfinished() -> int:
    return ours().unfinished().count()


def rescored(jobs: int) -> Counts:
    """How many risks of these jobs lack their ledger row, or have more than one; how many jobs were given up."""
    from collections import Counter

    from risks.models import Cause, ScoreEntry

    rows = Counter(ScoreEntry.objects.filter(cause=Cause.EVIDENCE).values_list("risk", flat=True))
    risks = range(1, jobs * RISKS_EACH + 1)
    return {
        "lost": sum(rows[risk] == 0 for risk in risks),
        "doubled": sum(rows[risk] > 1 for risk in risks),
        "dead": ours().dead().count(),
    }


def progress() -> tuple[int, int]:
    """Changes whenever some worker begins or ends a job."""
    seen = ours().aggregate(done=Count("pk", filter=Q(state__in=["done", "dead"])), begun=Sum("attempts"))
    return seen["done"], seen["begun"] or 0


def done() -> int:
    return progress()[0]


def until_all_is_done(made: Stand, fault: Callable[[], None], *, size: int, every: float = 2.0) -> int:
    """Inject a fault each time the workers have been at work for ``every`` seconds, or have done half of all,
    until no job is left; at least once. Gives how often. With few jobs the halves are enough."""
    every, times = every if size >= FULL else 10 * every, 0
    while True:
        before = progress()
        made.until(lambda before=before: progress() != before or not unfinished(), what="a sign of work")
        if not unfinished():
            return times
        begun, deadline = done(), time.monotonic() + every
        made.until(
            lambda begun=begun, deadline=deadline: (
                done() - begun >= size / 2 or time.monotonic() > deadline or not unfinished()
            ),
            what="work",
        )
        fault()
        times += 1


# --- mails that can be counted ---------------------------------------------------------------------------


def subscribe(names: Iterable[str]) -> None:
    """People with these names, each a reader of one of the teams that have risks; their digests are due at once."""
    from django.utils import timezone

    from monitoring.models import Subscription
    from riskreg.accounts.models import Membership, Team, User
    from risks.models import Risk

    people = User.objects.bulk_create(
        [User(username=name, email=f"{name}@example.com", password="!", time_zone="UTC") for name in names]
    )
    teams = cycle(Team.objects.filter(pk__in=Risk.objects.values("team")).order_by("pk"))
    Membership.objects.bulk_create(
        [Membership(user=person, team=team, role="viewer") for person, team in zip(people, teams, strict=False)]
    )
    Subscription.objects.bulk_create(
        [
            Subscription(user=person, cadence="daily", hour=0, since=timezone.now() - dt.timedelta(days=1))
            for person in people
        ]
    )


def queue_digests(at: dt.datetime) -> None:
    """What the timetable's own job does at a moment."""
    from riskreg.jobs import actions

    job = actions.enqueue("monitoring.tasks.queue_digests", run_at=at)
    if not actions.run(job.pk, now_fn=lambda: at):
        job.refresh_from_db()
        raise RuntimeError(job.error)


def mailed(made: Stand, names: Iterable[str]) -> Counts:
    """What the sink took for these people: nobody missing, repeats, and repeats that are another mail."""
    notes = made.var / "mails.txt"
    taken: dict[str, list[str]] = defaultdict(list)
    for line in notes.read_text().splitlines() if notes.exists() else []:
        address, identity = line.split()
        taken[address.split("@")[0]].append(identity)
    return {
        "missing": sum(not taken[name] for name in names),
        "repeats": sum(max(0, len(taken[name]) - 1) for name in names),
        "repeats_with_another_id": sum(len(set(taken[name])) > 1 for name in names),
    }

"""A synchronisation: what changed in a CRM since the last one, page by page, so that a kill loses and doubles nothing.

Each page is kept in one transaction with the cursor after it. The watermark of an object moves only when its whole
pass is done: to the largest time of change seen in the data, but not past the moment the pass began, because a row of
an early page may change while later ones are read. The next pass looks a little further back than that, because rows
are committed late and clocks differ.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from crm import store
from crm.connectors.base import (
    Connector,
    ConnectorError,
    CredentialsRefused,
    CursorExpired,
    LimitReached,
    Misconfigured,
    NotPermitted,
    NotThere,
    Page,
    PagingLoop,
    Source,
)
from crm.connectors.mapping import lacks, mapped
from crm.kinds import KINDS
from crm.models import Connection, SyncPoint, SyncRun
from riskreg.jobs.actions import Claim, PermanentFailure, enqueue
from riskreg.jobs.models import Job

OVERLAP = dt.timedelta(minutes=10)
SWEEP_EVERY = dt.timedelta(days=7)
TRY_AGAIN = dt.timedelta(hours=1)  # after a limit whose end nobody tells
_RESTARTS = 3  # of a pass whose cursor expired
_MOST_VANISHED, _FEW = 0.2, 10
# What is said of a run besides its failures: a row left out, a value left out, a call that went well in the end.
_SKIPPED, _UNREAD, _RETRIED = "skipped", "unread", "retried"
_PROBLEMS = 20  # kept of a run: the first ones and the last

Open = Callable[[Connection], Connector]


def _since(point: SyncPoint) -> dt.datetime | None:
    return point.watermark - OVERLAP if point.watermark is not None else None


class Paused(Exception):
    """Somebody paused the connection while it was read."""


def sources(connection: Connection) -> Iterator[tuple[str, Source]]:
    """What the mapping reads, in the order in which things refer to each other."""
    for kind in store.ORDER:
        for one in connection.mapping.get(kind, []):
            yield kind, Source(**one)


def start(*, connection: Connection, by: Any, now: dt.datetime, whole: bool = False) -> Job:
    """Put in a synchronisation, or return the one that waits or runs already."""
    standing = Job.objects.unfinished().filter(kind="crm.tasks.sync", payload__connection=connection.pk).first()
    if standing is not None:
        return standing
    return enqueue("crm.tasks.sync", payload={"connection": connection.pk, "whole": whole}, by=by, run_at=now)


def run(claim: Claim, open_connection: Open) -> dict[str, Any]:
    """Work off one synchronisation. A second attempt goes on where the first ended."""
    connection = Connection.objects.get(pk=claim.payload["connection"])
    if connection.ended_at is not None or connection.paused_at is not None:
        return {"skipped": "paused"}
    sync = _begin(connection, claim)
    if sync is None:
        return {"skipped": "another runs"}
    connector = open_connection(connection)
    try:
        return _work(_Pass(claim, connection, sync, connector))
    finally:
        connector.close()


def _work(reader: _Pass) -> dict[str, Any]:
    sync, claim = reader.sync, reader.claim
    try:
        reader.read_all()
    except LimitReached as limit:
        return _go_on_later(reader, limit)
    except Paused:
        reader.finish(SyncRun.State.STOPPED)
        return {"stopped": "paused"}
    except (CredentialsRefused, Misconfigured, PagingLoop) as error:
        reader.note(error)
        reader.finish(SyncRun.State.FAILED)
        raise PermanentFailure(str(error)) from None
    except ConnectorError as error:
        reader.note(error)
        reader.save()
        if claim.job.attempts >= claim.job.max_attempts:
            reader.finish(SyncRun.State.FAILED)
        raise
    serious = any(problem["code"] not in (_UNREAD, _RETRIED) for problem in sync.problems)
    reader.finish(SyncRun.State.PARTLY if serious else SyncRun.State.DONE)
    return {"run": sync.pk, "state": sync.state, "counts": sync.counts}


def _begin(connection: Connection, claim: Claim) -> SyncRun | None:
    """The run of this job, or of the job it goes on for; None while another one runs."""
    now = claim.now()
    if went_before := claim.payload.get("run"):
        sync = SyncRun.objects.filter(pk=went_before, connection=connection).first()
        if sync is not None:
            return _take_over(sync, claim)
    standing = SyncRun.objects.filter(connection=connection, state=SyncRun.State.RUNNING).first()
    if standing is not None and standing.job == claim.job.pk:
        return standing
    if standing is not None:
        if Job.objects.unfinished().filter(pk=standing.job or 0).exists():
            return None
        # Its job is gone for good: what it had read counts, and its cursors are good to go on from.
        return _take_over(standing, claim)
    try:
        with transaction.atomic():
            return SyncRun.objects.create(connection=connection, job=claim.job.pk, started_at=now)
    except IntegrityError:
        return None


def _take_over(sync: SyncRun, claim: Claim) -> SyncRun | None:
    try:
        with transaction.atomic():
            SyncRun.objects.filter(pk=sync.pk).update(job=claim.job.pk, state=SyncRun.State.RUNNING, finished_at=None)
    except IntegrityError:
        return None
    sync.refresh_from_db()
    return sync


def _go_on_later(reader: _Pass, limit: LimitReached) -> dict[str, Any]:
    now = reader.claim.now()
    again_at = limit.again_at or now + TRY_AGAIN
    reader.note(limit)
    with transaction.atomic():
        reader.finish(SyncRun.State.STOPPED)
        payload = {"connection": reader.connection.pk, "run": reader.sync.pk}
        enqueue("crm.tasks.sync", payload=payload, run_at=again_at)
    return {"stopped": "limit", "again_at": again_at.isoformat()}


@dataclass
class _Pass:
    """One run at work."""

    claim: Claim
    connection: Connection
    sync: SyncRun
    connector: Connector
    # What this process has added to the run's record, which earlier attempts began.
    _heard: int = 0  # of the connector's own errors
    _told: dict[str, int] = field(default_factory=lambda: {"calls": 0, "retries": 0, "tokens": 0})

    def read_all(self) -> None:
        for kind, source in sources(self.connection):
            point = self._point(kind, source)
            if point.done_in_id == self.sync.pk:
                continue
            try:
                self._read(kind, source, point)
                self._look_for_the_gone(kind, source, point)
            except (NotPermitted, NotThere) as error:
                error.source = error.source or source.object
                self.note(error)
        with self.claim.fenced():
            store.link_the_waiting(self.connection)
            store.recognise_people(self.connection)

    def _point(self, kind: str, source: Source) -> SyncPoint:
        point = SyncPoint.objects.get_or_create(connection=self.connection, kind=kind, source=source.object)[0]
        if self.claim.payload.get("whole") and point.run_id != self.sync.pk:
            point.watermark = None
        if point.run_id != self.sync.pk:
            point.run, point.cursor, point.seen_until, point.began_at = self.sync, "", None, self.claim.now()
        return point

    def _read(self, kind: str, source: Source, point: SyncPoint) -> None:
        """Read an object to its end, from the cursor that stands there or from the watermark."""
        for left in reversed(range(_RESTARTS)):
            try:
                for page in self._pages(source, point):
                    self._keep(kind, source, point, page)
                break
            except CursorExpired:
                point.cursor, point.began_at = "", self.claim.now()
                if not left:
                    raise

    def _pages(self, source: Source, point: SyncPoint) -> Iterator[Page]:
        fields = sorted(set(source.fields.values()))
        return self.connector.pages(source.object, fields=fields, since=_since(point), cursor=point.cursor or None)

    def _keep(self, kind: str, source: Source, point: SyncPoint, page: Page) -> None:
        about, rows = KINDS[kind], []
        unread: dict[str, str] = {}
        skipped: dict[str, str] = {}
        for row in page.rows:
            said = mapped(about, source, row, self.connector.value) if not row.gone else None
            values: Mapping[str, Any] = said.values if said is not None else {}
            if said is not None and (lacking := lacks(about, said.values)):
                skipped[row.external_id] = ", ".join(lacking)
                continue
            if said is not None and said.unread:
                unread[row.external_id] = "; ".join(f"{name}: {why}" for name, why in said.unread.items())
            rows.append((row, values))
        with self.claim.fenced(advance=len(page.rows)):
            if Connection.objects.filter(pk=self.connection.pk, paused_at__isnull=False).exists():
                raise Paused
            counts = store.keep(
                self.connection, kind, rows, now=self.claim.now(), force=bool(self.claim.payload.get("whole"))
            )
            times = [row.modified_at for row in page.rows if row.modified_at is not None]
            point.seen_until = max(filter(None, (point.seen_until, *times)), default=None)
            point.cursor = page.cursor or ""
            point.save()
            self._count(kind, counts)
            for code, told in ((_SKIPPED, skipped), (_UNREAD, unread)):
                for external_id, why in list(told.items())[:3]:
                    self._problem(source.object, code, f"{external_id}: {why}")
            self.save()

    def _look_for_the_gone(self, kind: str, source: Source, point: SyncPoint) -> None:
        """What the CRM says was deleted, and once a week what is silently missing; then the object is done."""
        now = self.claim.now()
        gone = [external_id for ids in self.connector.gone(source.object, since=_since(point)) for external_id in ids]
        one_object = len(self.connection.mapping.get(kind, [])) == 1  # others' ids are not in this one's list
        swept = one_object and (point.swept_at is None or now - point.swept_at >= SWEEP_EVERY)
        if swept and point.watermark is not None:
            gone += self._vanished(kind, source)
        with self.claim.fenced():
            self._count(kind, store.Counts(gone=store.mark_gone(self.connection, kind, gone, now=now)))
            point.swept_at = now if swept else point.swept_at
            reached = (
                [] if point.seen_until is None or point.began_at is None else [min(point.seen_until, point.began_at)]
            )
            point.watermark = max([*reached, *filter(None, [point.watermark])], default=None)
            point.cursor = ""
            point.done_in = self.sync
            point.save()
            self.save()

    def _vanished(self, kind: str, source: Source) -> list[str]:
        """What is silently missing. Too much at once is rather a right that was taken away, so it is only told."""
        there = {external_id for ids in self.connector.ids(source.object) for external_id in ids}
        missing = store.vanished(self.connection, kind, there)
        if len(missing) > _MOST_VANISHED * (len(there) + len(missing)) and len(missing) > _FEW:
            self._problem(
                source.object,
                "vanished",
                _("%(many)s records are no longer shown. May the connection still see all? They are kept.")
                % {"many": len(missing)},
            )
            return []
        return missing

    # --- the record -----------------------------------------------------------------------------------

    def note(self, error: ConnectorError) -> None:
        """Keep a failure for the person who looks at the run."""
        self._problem(error.source, error.code, str(error))

    def _problem(self, source: str, code: str, message: str) -> None:
        problem = {"source": source, "code": code, "message": message[:500], "at": self.claim.now().isoformat()}
        half = _PROBLEMS // 2
        self.sync.problems = [*self.sync.problems, problem]
        if len(self.sync.problems) > _PROBLEMS:
            self.sync.problems = [*self.sync.problems[:half], *self.sync.problems[-half:]]

    def _count(self, kind: str, counts: store.Counts) -> None:
        there = store.Counts(**self.sync.counts.get(kind, {}))
        self.sync.counts = {**self.sync.counts, kind: asdict(there + counts)}

    def save(self) -> None:
        """Write the record as it stands, what it cost included."""
        tally = self.connector.tally
        for name, told in self._told.items():
            spent = getattr(tally, name)
            setattr(self.sync, name, getattr(self.sync, name) + spent - told)
            self._told[name] = spent
        for error in tally.errors[self._heard :]:
            self._problem("", _RETRIED, error)
        self._heard = len(tally.errors)
        if tally.credits_left is not None:
            self.sync.credits_left = tally.credits_left
        self.sync.save()

    def finish(self, state: SyncRun.State) -> None:
        """Close the record; cursors stay, for whoever goes on with it."""
        self.sync.state = state
        self.sync.finished_at = self.claim.now()
        self.save()


def missing_fields(connector: Connector, mapping: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """What a mapping names that is not there, as "Deals.Amount": refused before it is saved."""
    missing: list[str] = []
    for one in [Source(**each) for sources_ in mapping.values() for each in sources_]:
        try:
            there = {found.name for found in connector.fields(one.object)}
        except (NotThere, NotPermitted) as error:
            missing.append(_("%(object)s cannot be read: %(why)s") % {"object": one.object, "why": error})
            continue
        missing += [f"{one.object}.{name}" for name in sorted(set(one.fields.values()) - there)]
    return missing

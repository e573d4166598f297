"""Speaks with Zoho CRM, API v8: one connection, for one run. Plain; the clock and the waiting are given."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm.connectors import http
from crm.connectors.base import (
    About,
    Misconfigured,
    NotThere,
    Page,
    PagingLoop,
    Row,
    SourceField,
    Tally,
    Tokens,
    Unavailable,
)
from crm.connectors.zoho import mapper
from crm.connectors.zoho.answers import API_NAME, ListEnds
from crm.connectors.zoho.calls import Calls, Credentials
from crm.kinds import Type

SCOPES = (
    "ZohoCRM.modules.READ",
    "ZohoCRM.coql.READ",
    "ZohoCRM.settings.modules.READ",
    "ZohoCRM.settings.fields.READ",
    "ZohoCRM.settings.layouts.READ",
    "ZohoCRM.settings.pipeline.READ",
    "ZohoCRM.org.READ",
    "ZohoCRM.users.READ",
)
_PER_PAGE = 200
_PER_QUERY = 2000
_MOST_FIELDS = 50
_MODIFIED = "Modified_Time"
_USERS = "users"  # is no module: it has an address of its own, and fields that nothing lists


@dataclass(frozen=True)
class Stage:
    """A stage of a pipeline. ``place`` is 0 for the first open one, 1 for both ends; ``state`` open, won or lost."""

    pipeline: str
    name: str  # as records say it
    label: str
    place: float
    state: str


class Zoho:
    """A Connector. ``data_centre`` is a key of DATA_CENTRES, or one of ``own_bases``: a fake, for tests and trials."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        data_centre: str,
        tokens: Tokens,
        clock: http.Clock,
        sleep: http.Sleep = time.sleep,
        own_bases: Collection[str] = (),
        limits: http.Limits = http.DEFAULT,
        credits_floor: int = 500,
        resolve: Callable[[str, int], list[str]] | None = None,
    ) -> None:
        self.tally = Tally()
        self._calls = Calls(
            credentials,
            data_centre=data_centre,
            tally=self.tally,
            tokens=tokens,
            clock=clock,
            sleep=sleep,
            own_bases=own_bases,
            limits=limits,
            credits_floor=credits_floor,
            resolve=resolve,
        )
        self._known: dict[str, list[SourceField]] = {}

    def close(self) -> None:
        self._calls.close()

    # --- beginning and end -------------------------------------------------------------------------------

    def exchange(self, code: str) -> str:
        """The lasting refresh token for a code from Zoho's console, which is good once and for minutes."""
        return self._calls.exchange(code)

    def revoke(self) -> None:
        """Have Zoho forget the refresh token, when a connection is taken away."""
        self._calls.revoke()

    # --- what there is -----------------------------------------------------------------------------------

    def test(self) -> About:
        answer = self._calls.get("/org", key="org", source="org")
        org: dict[str, Any] = next(iter(answer["org"]), {}) if answer else {}
        return About(
            organisation=str(org.get("company_name") or ""),
            currency=str(org.get("iso_code") or ""),
            time_zone=str(org.get("time_zone") or ""),
        )

    def fields(self, source: str) -> list[SourceField]:
        """With those this connector works out itself, whose names hold an @."""
        if source not in self._known:
            own = list(mapper.USER_FIELDS) if source == _USERS else self._listed_fields(source)
            names = {one.name for one in own}
            worked_out = [
                SourceField(name, derived.label, "derived")
                for name, derived in mapper.DERIVED.get(source, {}).items()
                if names.issuperset(derived.needs)
            ]
            self._known[source] = own + worked_out
        return self._known[source]

    def _listed_fields(self, source: str) -> list[SourceField]:
        found = [
            SourceField(str(one.get("api_name")), str(one.get("field_label")), str(one.get("data_type")), _choices(one))
            for rows, _following in self._numbered(
                "/settings/fields", key="fields", source=source, params={"module": source}
            )
            for one in rows
        ]
        if not found:
            raise NotThere(f"Zoho has no module {source} for us.", source=source)
        return found

    def stages(self) -> list[Stage]:
        """All stages of all pipelines. Where there are no pipelines: of the field, told apart by their words."""
        layouts = self._calls.get("/settings/layouts", key="layouts", source="Deals", params={"module": "Deals"})
        found: dict[tuple[str, str], Stage] = {}
        for layout in (layouts or {"layouts": []})["layouts"]:
            params = {"layout_id": str(layout.get("id", ""))}
            answer = self._calls.get("/settings/pipeline", key="pipeline", source="Deals", params=params)
            for pipeline in (answer or {"pipeline": []})["pipeline"]:
                name = str(pipeline.get("actual_value") or pipeline.get("display_value") or "")
                for stage in _in_order(name, pipeline.get("maps") or []):
                    found.setdefault((stage.pipeline, stage.name), stage)
        if found:
            return list(found.values())
        choices = next((one.choices for one in self.fields("Deals") if one.name == "Stage"), ())
        return _in_order("", [{"actual_value": name, "display_value": label} for name, label in choices])

    # --- records -----------------------------------------------------------------------------------------

    def pages(
        self, source: str, *, fields: Sequence[str], since: dt.datetime | None, cursor: str | None
    ) -> Iterator[Page]:
        """A cursor is good for a day, and only with the same ``fields`` and ``since``; other cases: CursorExpired."""
        names = self._asked(source, fields)
        if source == _USERS:
            yield from self._users(since, cursor)
            return
        derived = {name: one for name, one in mapper.DERIVED.get(source, {}).items() if name in fields}
        for rows, following in self._lists(source, names, since, cursor):
            yield Page([_row(raw, derived, source) for raw in rows], following)

    def gone(self, source: str, *, since: dt.datetime | None) -> Iterator[list[str]]:
        """Those in the recycle bin and those removed for good."""
        if source == _USERS:
            return
        path, headers = f"/{_name(source)}/deleted", _changed_since(since)
        params = {"type": "all", "per_page": str(_PER_PAGE)}
        for rows, _following in self._numbered(path, key="data", source=source, params=params, headers=headers):
            yield [_id(row, source) for row in rows]

    def ids(self, source: str) -> Iterator[list[str]]:
        if source == _USERS:
            for page in self._users(None, None):
                yield [row.external_id for row in page.rows]
            return
        for rows, _following in self._lists(_name(source), ["id"], None, None):
            yield [_id(row, source) for row in rows]

    def value(self, raw: Any, wanted: Type) -> Any:
        return mapper.value(raw, wanted)

    def _asked(self, source: str, fields: Sequence[str]) -> list[str]:
        """The fields to name in the question. Raises NotThere for any that the module does not have."""
        known = {one.name for one in self.fields(source)}
        missing = [name for name in fields if name not in known]
        if missing:
            raise NotThere(f"{source} has no {', '.join(sorted(missing))} for us.", source=source)
        names = {_MODIFIED}
        for name in fields:
            derived = mapper.DERIVED.get(source, {}).get(name)
            names.update(derived.needs if derived else [name])
        if "What_Id" in names:
            names.add("$se_module")  # whether that is a customer or a deal; no list of fields has it
        if len(names) > _MOST_FIELDS:
            raise Misconfigured(f"Zoho gives at most {_MOST_FIELDS} fields; {source} is asked for {len(names)}.")
        return sorted(names)

    def _users(self, since: dt.datetime | None, cursor: str | None) -> Iterator[Page]:
        pages = self._numbered(
            "/users",
            key="users",
            source=_USERS,
            params={"type": "AllUsers", "per_page": str(_PER_PAGE)},
            headers=_changed_since(since),
            start=int(cursor or 1),
        )
        for rows, following in pages:
            yield Page([_row(raw, {}, _USERS) for raw in rows], str(following) if following else None)

    def _lists(
        self, source: str, names: list[str], since: dt.datetime | None, cursor: str | None
    ) -> Iterator[tuple[list[dict[str, Any]], str | None]]:
        """Records by id, and the cursor that follows them: the highest id so far, a colon, Zoho's own token.

        Zoho lists 100 000 records at most. What is left is asked for with queries, whose cursor has no token.
        """
        last, _colon, token = (cursor or "").partition(":")
        by_query = bool(last) and not token
        watch = _Watch(source, cursor)
        while True:
            try:
                ask = self._by_query if by_query else self._by_token
                answer = ask(source, names, since, last if by_query else token)
            except ListEnds:
                if by_query or not last:
                    raise
                by_query = True
                continue
            if answer is None:
                return
            rows, info = answer["data"], answer.get("info") or {}
            last = max([last, *(_id(row, source) for row in rows)], key=lambda known: (len(known), known))
            token = str(info.get("next_page_token") or "")
            by_query = by_query or not token
            following = f"{last}:{'' if by_query else token}" if info.get("more_records") is True else None
            watch.see(rows, following)
            yield rows, following
            if following is None:
                return

    def _by_token(self, source: str, names: list[str], since: dt.datetime | None, token: str) -> dict[str, Any] | None:
        params = {"fields": ",".join(names), "per_page": str(_PER_PAGE), "sort_by": "id", "sort_order": "asc"}
        if token:
            params["page_token"] = token
        headers = _changed_since(since)
        return self._calls.get(
            f"/{_name(source)}", key="data", source=source, params=params, headers=headers, asked=names
        )

    def _by_query(self, source: str, names: list[str], since: dt.datetime | None, last: str) -> dict[str, Any] | None:
        if not last.isascii() or not last.isdigit():
            raise Misconfigured(f"A record of {source} has an id by which it cannot be asked for.")
        columns = ", ".join(_name(name) for name in names if not name.startswith("$"))
        changed = f" and {_MODIFIED} >= '{_stamp(since)}'" if since else ""
        query = f"select {columns} from {_name(source)} where id > '{last}'{changed}"  # noqa: S608 - names are checked
        body = {"select_query": f"{query} order by id asc limit 0, {_PER_QUERY}"}
        return self._calls.call("POST", "/coql", key="data", source=source, body=body, asked=names)

    def _numbered(
        self,
        path: str,
        *,
        key: str,
        source: str,
        params: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        start: int = 1,
    ) -> Iterator[tuple[list[dict[str, Any]], int | None]]:
        """What is listed by page number only, and the number that follows."""
        number, watch = start, _Watch(source, None)
        while True:
            numbered = {**params, "page": str(number)} if number > 1 else params
            answer = self._calls.get(path, key=key, source=source, params=numbered, headers=headers)
            if answer is None:
                return
            watch.see(answer[key], None)
            more = (answer.get("info") or {}).get("more_records") is True
            yield answer[key], number + 1 if more else None
            if not more:
                return
            number += 1


class _Watch:
    """Notices when a list comes round to where it was."""

    def __init__(self, source: str, cursor: str | None) -> None:
        self._source = source
        self._cursors = {cursor} - {None}
        self._pages: set[tuple[tuple[Any, Any], ...]] = set()

    def see(self, rows: list[dict[str, Any]], following: str | None) -> None:
        page = tuple((row.get("id") or row.get("api_name"), row.get(_MODIFIED)) for row in rows)
        if following in self._cursors or page in self._pages:
            raise PagingLoop(f"Zoho lists the same page of {self._source} again.", source=self._source)
        self._pages.add(page)
        if following is not None:
            self._cursors.add(following)


def _name(name: str) -> str:
    """A name as it may stand in an address or a query."""
    if not API_NAME.fullmatch(name):
        raise Misconfigured("This is no name of a module or field at Zoho.")
    return name


def _id(row: Mapping[str, Any], source: str) -> str:
    found = row.get("id")
    if not isinstance(found, str | int) or isinstance(found, bool) or not str(found):
        raise Unavailable(f"Zoho lists a record of {source} without an id.", source=source)
    return str(found)


def _row(raw: dict[str, Any], derived: Mapping[str, mapper.Derived], source: str) -> Row:
    try:
        modified_at = mapper.value(raw.get(_MODIFIED), Type.MOMENT)
    except ValueError:
        modified_at = None
    said = mapper.with_module(raw) | {name: one.work(raw) for name, one in derived.items()}
    return Row(_id(raw, source), modified_at, said)


def _changed_since(since: dt.datetime | None) -> dict[str, str]:
    return {} if since is None else {"If-Modified-Since": _stamp(since)}


def _stamp(moment: dt.datetime) -> str:
    """Whole seconds, cut off: what changed within that second is read again rather than missed."""
    if moment.utcoffset() is None:
        raise ValueError("a moment without its offset")
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds")


def _choices(described: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    values = described.get("pick_list_values") or []
    found = ((one.get("actual_value"), one.get("display_value")) for one in values if isinstance(one, dict))
    return tuple((str(actual), str(shown or actual)) for actual, shown in found if actual is not None)


def _in_order(pipeline: str, maps: list[Any]) -> list[Stage]:
    stages = sorted(
        (one for one in maps if isinstance(one, dict)), key=lambda one: int(one.get("sequence_number") or 0)
    )
    states = [mapper.state_of(one) for one in stages]
    open_ones = states.count("open")
    found, passed = [], 0
    for one, state in zip(stages, states, strict=True):
        name = str(one.get("actual_value") or one.get("display_value") or "")
        place = passed / open_ones if state == "open" else 1.0
        passed += state == "open"
        found.append(Stage(pipeline, name, str(one.get("display_value") or name), place, state))
    return found

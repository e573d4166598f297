"""A local Zoho CRM to develop and test against: its API v8 with its oddities, and its faults on demand.

    python -m tests.fakes.zoho --port 8101 --deals 2000

It is a real server, because answers that are cut off cannot be shown with anything less. It plays both the accounts
server and the API. Faults are switched on with ``fail`` or POST /__fake__/faults; every other request is kept in
``requests``. GET /__fake__/ tells what there is to switch.
"""

from __future__ import annotations

import argparse
import bisect
import contextlib
import datetime as dt
import json
import operator
import random
import re
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.zoho_rows import ORGANISATION, STAGES, STANDARD, Table, described, stamp, tenant

CLIENT_ID = "1000.FAKECLIENT0123456789ABCDEFGHIJ"
CLIENT_SECRET = "fakesecret0123456789abcdef0123456789abcdef01"
REFRESH_TOKEN = "1000.fake0refresh0token0123456789abcdef.0123456789abcdef0123456789abcdef"
GRANT_CODE = "1000.fake0grant0code0123456789abcdef.0123456789abcdef"  # good once

TOKEN, REVOKE, API = "/oauth/v2/token", "/oauth/v2/token/revoke", "/crm/v8"
TOKEN_LIFE, TOKEN_CALLS, TOKEN_WINDOW, LIVE_TOKENS = 3600, 10, 600.0, 15
PER_PAGE, MOST_BY_PAGE, MOST_FIELDS, MOST_BY_QUERY = 200, 2000, 50, 2000
LAYOUT = "5545974000000091023"
HTML = "<!DOCTYPE html><html><head><title>Zoho</title></head><body>Bad Gateway</body></html>"

KINDS = {
    "code": "an HTTP status with an error object (status, code)",
    "echo": "the same, whose message repeats all that was sent",
    "token_dies": "all access tokens given so far are refused from now on",
    "status": "an HTTP status with HTML, as a gateway says it (status)",
    "html": "HTTP 200 with HTML",
    "redirect": "HTTP 302 to another address",
    "truncated": "HTTP 200 with JSON cut in the middle",
    "dropped": "a connection that ends in the middle of the body",
    "slow": "an answer that begins after some seconds",
    "drip": "an answer that comes byte by byte, one every tenth of a second",
    "huge": "an answer of 70 MB",
    "again": "the first page with the same next_page_token, whatever page was asked for",
    "twice": "a page that also holds a record of the page before, changed meanwhile",
    "edited": "after the page, its first record is changed",
    "expired": "page tokens given so far have expired",
    "no_id": "a page whose first record has no id",
}


@dataclass
class Fault:
    """One thing that goes wrong ``times`` times (None: for ever), once ``after`` calls have passed."""

    kind: str
    times: int | None = 1
    after: int = 0
    status: int = 500
    code: str = ""
    path: str = ""  # only calls whose path ends with it; without: all but those for a token
    seconds: float = 1.0
    retry_after: int = 0  # seconds, in a header a proxy would add
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class Settings:
    """How this organisation behaves where the real one is not known to behave one way or the other."""

    errors: str = "top"  # or "wrapped": the error object stands in data[]
    nothing: int = 304  # or 204: nothing changed
    token_status: int = 200  # or 400: of a refused call for a token
    unknown_fields: str = "omitted"  # or "refused"
    milliseconds: bool = False  # whether expires_in is one of those old ones
    token_seconds: float = 0.0  # how long a call for a token takes
    api_domain: str = ""  # another than the fake's own
    record_limit: int = 100_000  # of what a list gives
    list_end: str = "refused"  # or "silent": no next_page_token any more
    pipelines: bool = True
    about_module: str = "beside"  # or "inside": where an activity names the module of What_Id
    day_credits: int = 50_000
    offset_minutes: float = 0.0  # how far the clock is ahead of ours


@dataclass
class Seen:
    """A request as it came, and the HTTP status, the code or the name of the fault that it was answered with."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    line: str  # path and query as they stood in the request
    answer: str = ""


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str = "", **details: Any) -> None:
        super().__init__(message or code.lower().replace("_", " "))
        self.status = status
        self.code = code
        self.details = details


@dataclass
class _Place:
    """What a page token stands for."""

    asked: tuple[str, ...]
    last: int  # the id after which it goes on; or, not sorted by id, how many there were
    given: int
    until: dt.datetime


@dataclass
class _State:
    """What changes while it runs; held together for the lock."""

    tokens: dict[str, float] = field(default_factory=dict)  # and until when they are good
    asked_for: deque[float] = field(default_factory=deque)
    codes: set[str] = field(default_factory=lambda: {GRANT_CODE})
    revoked: set[str] = field(default_factory=set)
    places: dict[str, _Place] = field(default_factory=dict)
    credits_used: int = 0
    made: int = 0
    last_row: dict[str, int] = field(default_factory=dict)  # of each module, the last record given


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Zoho:
    """The server. ``with Zoho(deals=200) as crm:`` runs it on a free port; ``crm.url`` is where."""

    def __init__(
        self, *, deals: int = 200, port: int = 0, seed: int = 1, clock: Callable[[], dt.datetime] = _now
    ) -> None:
        self._clock = clock
        self.settings = Settings()
        self.faults: list[Fault] = []
        self.requests: list[Seen] = []
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.state = _State()
        self._rng = random.Random(seed)
        self.tables: dict[str, Table]
        self.tables, self.users = tenant(deals=deals, now=clock(), seed=seed)
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.crm = self

    # --- running -------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Zoho:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_why: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def serve(self) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            self._server.serve_forever()

    # --- switching -----------------------------------------------------------------------------------

    def fail(self, kind: str, **how: Any) -> Fault:
        """Have something go wrong, see KINDS and Fault."""
        if kind not in KINDS:
            raise ValueError(f"There is no fault {kind}.")
        with self.lock:
            self.faults.append(Fault(kind, **how))
            return self.faults[-1]

    def heal(self) -> None:
        with self.lock:
            self.faults.clear()

    def set(self, **how: Any) -> None:
        with self.lock:
            self.settings = replace(self.settings, **how)

    def seen(self, path: str = "") -> list[Seen]:
        """Requests whose path ends so."""
        with self.lock:
            return [one for one in self.requests if one.path.endswith(path)]

    def now(self) -> dt.datetime:
        """The clock of the server, which may be wrong."""
        return self._clock() + dt.timedelta(minutes=self.settings.offset_minutes)

    # --- records -------------------------------------------------------------------------------------

    def add(self, module: str, **values: Any) -> str:
        with self.lock:
            table = self.tables[module]
            self.state.made += 1
            number = values.pop("id", None) or (max(table.order, default=0) + self._rng.randrange(1, 60))
            user = self.users[0]
            row = {"id": str(number), "Owner": {"id": user["id"], "name": user["full_name"], "email": user["email"]}}
            now = stamp(self.now())
            table.put({**row, "Created_Time": now, "Modified_Time": now, **values})
            return str(number)

    def change(self, module: str, row_id: str, **values: Any) -> None:
        with self.lock:
            row = self.tables[module].rows[int(row_id)]
            row.update({"Modified_Time": stamp(self.now()), **values})

    def delete(self, module: str, row_id: str, *, kind: str = "recycle", silently: bool = False) -> None:
        """Into the recycle bin, or for good (kind "permanent"), or so that no list tells of it."""
        with self.lock:
            table = self.tables[module]
            row = table.remove(int(row_id))
            if silently:
                return
            name = None if kind == "permanent" else row.get("Deal_Name") or row.get("Account_Name")
            by = None if kind == "permanent" else {"name": self.users[0]["full_name"], "id": self.users[0]["id"]}
            table.deleted.append(
                {
                    "id": row["id"],
                    "display_name": name,
                    "type": kind,
                    "deleted_time": stamp(self.now()),
                    "deleted_by": by,
                    "created_by": by,
                }
            )

    def add_field(self, module: str, name: str, kind: str = "integer", label: str = "") -> None:
        with self.lock:
            self.tables[module].fields[name] = described(module, name, kind, label)

    def remove_field(self, module: str, name: str, *, still_listed: bool = False) -> None:
        """As when it is deleted; or, still listed, as when the profile may not see it."""
        with self.lock:
            if still_listed:
                self.tables[module].hidden.add(name)
            else:
                self.tables[module].fields.pop(name)

    def notify(self, url: str, *, token: str, module: str, ids: list[str], channel: str = "1000000068001") -> int:
        """Tell a listener of changes, as a channel does; without any signature. The status it answered with."""
        body = {
            "server_time": int(self.now().timestamp() * 1000),
            "module": module,
            "operation": "update",
            "channel_id": channel,
            "token": token,
            "resource_uri": f"{self.url}{API}/{module}",
            "ids": ids,
            "affected_fields": [],
            "affected_values": [],
            "query_params": {},
        }
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return int(error.code)

    # --- answering -----------------------------------------------------------------------------------

    def fault_for(self, seen: Seen) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if not (seen.path.endswith(fault.path) if fault.path else seen.path not in {TOKEN, REVOKE}):
                    continue
                if fault.after:
                    fault.after -= 1
                elif fault.times is None or fault.times:
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None

    def token(self, seen: Seen) -> dict[str, Any]:
        """Raises Refused, whose code is what stands under "error"."""
        given = {**seen.query, **(seen.body if isinstance(seen.body, dict) else {})}
        status = self.settings.token_status
        now = self._clock().timestamp()
        if given.get("client_id") != CLIENT_ID:
            raise Refused(status, "invalid_client")
        if given.get("client_secret") != CLIENT_SECRET:
            raise Refused(status, "invalid_client_secret")
        asked_for = self.state.asked_for
        while asked_for and asked_for[0] <= now - TOKEN_WINDOW:
            asked_for.popleft()
        if len(asked_for) >= TOKEN_CALLS:
            raise Refused(400, "Access Denied", "You have made too many requests continuously.")
        renewed = given.get("grant_type") == "refresh_token" and given.get("refresh_token") == REFRESH_TOKEN
        exchanged = given.get("grant_type") == "authorization_code" and given.get("code") in self.state.codes
        if not (renewed and REFRESH_TOKEN not in self.state.revoked) and not exchanged:
            raise Refused(status, "invalid_code")
        asked_for.append(now)
        self.state.codes.discard(given.get("code", ""))
        value = f"1000.fake0access{self._rng.getrandbits(128):032x}.{self._rng.getrandbits(128):032x}"
        self.state.tokens[value] = now + TOKEN_LIFE
        for oldest in list(self.state.tokens)[:-LIVE_TOKENS]:
            del self.state.tokens[oldest]
        old_form = {"expires_in": TOKEN_LIFE * 1000, "expires_in_sec": TOKEN_LIFE}
        return {
            "access_token": value,
            **({"refresh_token": REFRESH_TOKEN} if exchanged else {}),
            "scope": "ZohoCRM.modules.READ",
            "api_domain": self.settings.api_domain or self.url,
            "token_type": "Bearer",
            **(old_form if self.settings.milliseconds else {"expires_in": TOKEN_LIFE}),
        }

    def revoke(self, seen: Seen) -> dict[str, Any]:
        given = {**seen.query, **(seen.body if isinstance(seen.body, dict) else {})}
        if given.get("token") != REFRESH_TOKEN:
            raise Refused(400, "invalid_token")
        self.state.revoked.add(REFRESH_TOKEN)
        self.state.tokens.clear()
        return {"status": "success"}

    def authorise(self, seen: Seen) -> None:
        scheme, _space, value = seen.headers.get("authorization", "").partition(" ")
        if scheme != "Zoho-oauthtoken":
            raise Refused(401, "AUTHENTICATION_FAILURE", "Authentication failed")
        if self.state.tokens.get(value, 0.0) <= self._clock().timestamp():
            raise Refused(401, "INVALID_TOKEN", "invalid oauth token")

    def answer(self, seen: Seen, fault: Fault | None) -> dict[str, Any] | None:
        """What the API says; None where there is nothing. Raises Refused."""
        parts = seen.path.removeprefix(API).strip("/").split("/")
        match seen.method, parts:
            case "GET", ["org"]:
                return {"org": [ORGANISATION]}
            case "GET", ["users"]:
                return self._numbered(seen, self.users, "users", "Modified_Time")
            case "GET", ["settings", what]:
                return self._settings(seen, what)
            case "POST", ["coql"]:
                return _Query(self, seen).run()
            case "GET", [module, "deleted"]:
                kind = seen.query.get("type", "all")
                rows = [row for row in self._table(module).deleted if kind in {"all", row["type"]}]
                return self._numbered(seen, rows, "data", "deleted_time")
            case "GET", [module] if module:
                return _List(self, seen, self._table(module), fault).run()
        raise Refused(404, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one")

    def _table(self, module: str) -> Table:
        if module not in self.tables:
            raise Refused(400, "INVALID_MODULE", "the module name given seems to be invalid")
        return self.tables[module]

    def _settings(self, seen: Seen, what: str) -> dict[str, Any] | None:
        if what == "modules":
            return {"modules": [{"api_name": name, "api_supported": True} for name in self.tables]}
        if what == "fields":
            return {"fields": list(self._table(seen.query.get("module", "")).fields.values())}
        if what == "layouts":
            self._table(seen.query.get("module", ""))
            return {"layouts": [{"id": LAYOUT, "name": "Standard", "status": "active"}]}
        if what != "pipeline":
            raise Refused(404, "INVALID_URL_PATTERN")
        if "layout_id" not in seen.query:
            raise Refused(400, "REQUIRED_PARAM_MISSING", param_name="layout_id")
        if seen.query["layout_id"] != LAYOUT:
            raise Refused(400, "INVALID_DATA", param_name="layout_id")
        if not self.settings.pipelines:
            return None
        maps = [
            {"actual_value": name, "display_value": label, "sequence_number": number, "forecast_type": kind}
            for number, (name, label, kind) in enumerate(STAGES, 1)
        ]
        return {"pipeline": [{"actual_value": STANDARD, "display_value": "标准", "default": True, "maps": maps}]}

    def _numbered(self, seen: Seen, rows: list[dict[str, Any]], key: str, time: str) -> dict[str, Any] | None:
        since = since_of(seen)
        page, per_page = int(seen.query.get("page", 1)), min(PER_PAGE, int(seen.query.get("per_page", PER_PAGE)))
        found = [row for row in rows if since is None or dt.datetime.fromisoformat(row[time]) >= since]
        shown = found[(page - 1) * per_page : page * per_page]
        if not shown:
            return None
        more = page * per_page < len(found)
        return {key: shown, "info": {"per_page": per_page, "count": len(shown), "page": page, "more_records": more}}


def since_of(seen: Seen) -> dt.datetime | None:
    """Raises Refused for a time without an offset."""
    said = seen.headers.get("if-modified-since")
    if said is None:
        return None
    with contextlib.suppress(ValueError):
        since = dt.datetime.fromisoformat(said)
        if since.utcoffset() is not None:
            return since
    raise Refused(400, "INVALID_DATA", header="If-Modified-Since")


def _columns(crm: Zoho, table: Table, names: list[str], code: str = "INVALID_DATA") -> list[str]:
    known = {*table.fields, "id", "$se_module"} - table.hidden
    for name in names:
        if name not in known and (crm.settings.unknown_fields == "refused" or code != "INVALID_DATA"):
            raise Refused(400, code, api_name=name, column_name=name)
    return [name for name in names if name in known]


def _shown(crm: Zoho, row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    shown = {"id": row["id"], **{name: row.get(name) for name in names if name != "$se_module"}}
    if "$se_module" in row and "$se_module" in names:
        shown["$se_module"] = row["$se_module"]
        if crm.settings.about_module == "inside":
            module = {"api_name": shown.pop("$se_module"), "id": "5545974000000002181"}
            shown["What_Id"] = {**row["What_Id"], "module": module}
    return shown


class _List:
    """GET /{module}: one page."""

    def __init__(self, crm: Zoho, seen: Seen, table: Table, fault: Fault | None) -> None:
        self.crm = crm
        self.table = table
        self.query = dict(seen.query)
        self.fault = fault.kind if fault else ""
        self.since = since_of(seen)
        self.sort_by = self.query.get("sort_by", "id")
        self.falling = self.query.get("sort_order", "desc") == "desc"
        self.per_page = min(PER_PAGE, int(self.query.get("per_page", PER_PAGE)))
        bound = ("fields", "per_page", "sort_by", "sort_order")
        since = seen.headers.get("if-modified-since", "")
        self.asked = (table.name, *(self.query.get(name, "") for name in bound), since)

    def run(self) -> dict[str, Any] | None:
        names = [name for name in self.query.get("fields", "").split(",") if name]
        if not names:
            raise Refused(400, "REQUIRED_PARAM_MISSING", param_name="fields")
        if len(names) > MOST_FIELDS:
            raise Refused(400, "LIMIT_EXCEEDED", limit=MOST_FIELDS, param_name="fields")
        columns = _columns(self.crm, self.table, names)
        place = self._place()
        if self.fault == "again":
            place = _Place(self.asked, 0, 0, place.until)
        rows, more, last = self._rows(place)
        if not rows:
            return None
        shown = [_shown(self.crm, row, columns) for row in rows]
        if self.fault == "twice":
            before = self.crm.state.last_row[self.table.name]
            self.crm.change(self.table.name, str(before), Next_Step="changed meanwhile")
            shown.insert(0, _shown(self.crm, self.table.rows[before], columns))
        if self.fault == "no_id":
            shown[0].pop("id")
        self.crm.state.last_row[self.table.name] = int(rows[-1]["id"])
        info = {"per_page": self.per_page, "count": len(shown), "sort_by": self.sort_by, "more_records": more}
        if more:
            info |= self._following(_Place(self.asked, last, place.given + len(rows), place.until))
        if self.fault == "edited":
            self.crm.change(self.table.name, rows[0]["id"], Next_Step="changed afterwards")
        return {"data": shown, "info": info}

    def _place(self) -> _Place:
        """Where to begin. Raises Refused."""
        until = self.crm.now() + dt.timedelta(hours=24)
        token, page = self.query.get("page_token"), int(self.query.get("page", 1))
        if token and "page" in self.query:
            raise Refused(400, "AMBIGUITY_DURING_PROCESSING", param_names=["page", "page_token"])
        if not token:
            if page * self.per_page > MOST_BY_PAGE:
                raise Refused(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", limit=MOST_BY_PAGE)
            before = (page - 1) * self.per_page
            if before and self.sort_by == "id":
                order = self._ids(0)
                return _Place(self.asked, order[before - 1] if before <= len(order) else 1 << 62, before, until)
            return _Place(self.asked, before, before, until)
        place = self.crm.state.places.get(token)
        if self.fault == "expired" or place is None or place.until <= self.crm.now():
            raise Refused(400, "EXPIRED_VALUE", param_name="page_token")
        if place.asked != self.asked:
            raise Refused(400, "TOKEN_BOUND_DATA_MISMATCH", param_name="page_token")
        if place.given >= self.crm.settings.record_limit:
            raise Refused(400, "PAGINATION_LIMIT_EXCEEDED", limit=self.crm.settings.record_limit)
        return place

    def _following(self, place: _Place) -> dict[str, Any]:
        if self.crm.settings.list_end == "silent" and place.given >= self.crm.settings.record_limit:
            return {}
        names = (self.asked, place.last, "again" if self.fault == "again" else place.given)
        token = f"{random.Random(repr(names)).getrandbits(256):064x}"
        self.crm.state.places[token] = place
        return {"next_page_token": token, "page_token_expiry": stamp(place.until)}

    def _changed(self, row: dict[str, Any]) -> bool:
        return self.since is None or dt.datetime.fromisoformat(row["Modified_Time"]) >= self.since

    def _ids(self, last: int) -> list[int]:
        order = self.table.order
        if not self.falling:
            return order[bisect.bisect_right(order, last) :]
        return order[: bisect.bisect_left(order, last) if last else None][::-1]

    def _rows(self, place: _Place) -> tuple[list[dict[str, Any]], bool, int]:
        """A page, whether there is more, and where that begins."""
        if self.sort_by == "id":
            found: list[dict[str, Any]] = []
            for number in self._ids(place.last):
                if self._changed(row := self.table.rows[number]):
                    found.append(row)
                    if len(found) > self.per_page:
                        break
            page = found[: self.per_page]
            return page, len(found) > self.per_page, int(page[-1]["id"]) if page else 0
        rows = sorted(self.table.rows.values(), key=lambda row: str(row[self.sort_by]), reverse=self.falling)
        rows = [row for row in rows if self._changed(row)]
        end = place.last + self.per_page
        return rows[place.last : end], len(rows) > end, end


class _Query:
    """POST /coql: as much of the language as anybody asks it."""

    _SELECT = re.compile(
        r"select (?P<names>[\w, .]+?) from (?P<module>\w+)(?: where (?P<where>.+?))?"
        r"(?: order by (?P<by>\w+)(?: (?P<way>asc|desc))?)?(?: limit (?:(?P<skip>\d+) ?, ?)?(?P<most>\d+))?",
        re.IGNORECASE,
    )
    _CONDITION = re.compile(r"\(?\s*(\w+) ?(>=|<=|!=|=|>|<) ?'?([^'()]*)'?\s*\)?")
    _COMPARE: dict[str, Callable[[Any, Any], bool]] = {
        ">=": operator.ge, "<=": operator.le, "!=": operator.ne, "=": operator.eq, ">": operator.gt, "<": operator.lt,
    }  # fmt: skip

    def __init__(self, crm: Zoho, seen: Seen) -> None:
        self.crm = crm
        self.text = str(seen.body.get("select_query", "")) if isinstance(seen.body, dict) else ""

    def run(self) -> dict[str, Any] | None:
        asked = self._SELECT.fullmatch(self.text.strip())
        if not asked:
            raise Refused(400, "SYNTAX_ERROR", "error occurred while parsing the query", line=1, column=1, near="")
        if asked["module"] not in self.crm.tables:
            raise Refused(400, "INVALID_QUERY", module=asked["module"])
        table = self.crm.tables[asked["module"]]
        names = _columns(self.crm, table, [one.strip() for one in asked["names"].split(",")], "INVALID_QUERY")
        most, skip = int(asked["most"] or PER_PAGE), int(asked["skip"] or 0)
        if most > MOST_BY_QUERY:
            raise Refused(400, "LIMIT_EXCEEDED", limit=MOST_BY_QUERY)
        conditions = [self._condition(table, one) for one in re.split(r"\s+and\s+", asked["where"] or "") if one]
        rows = [row for row in table.rows.values() if all(holds(row) for holds in conditions)]
        rows.sort(key=lambda row: _known(asked["by"] or "id", row), reverse=(asked["way"] or "").lower() == "desc")
        self.crm.state.credits_used += 0 if most <= PER_PAGE else 1 if most <= 1000 else 2
        shown = [_shown(self.crm, row, names) for row in rows[skip : skip + most]]
        if not shown:
            return None
        return {"data": shown, "info": {"count": len(shown), "more_records": len(rows) > skip + most}}

    def _condition(self, table: Table, text: str) -> Callable[[dict[str, Any]], bool]:
        asked = self._CONDITION.fullmatch(text.strip())
        if not asked:
            raise Refused(400, "SYNTAX_ERROR", "error occurred while parsing the query", clause="where")
        name, sign, given = asked.groups()
        _columns(self.crm, table, [name], "INVALID_QUERY")
        wanted = _known(name, {name: given})
        return lambda row: row.get(name) is not None and self._COMPARE[sign](_known(name, row), wanted)


def _known(name: str, row: dict[str, Any]) -> Any:
    """A value by which rows can be compared."""
    if name == "id":
        return int(row[name])
    return dt.datetime.fromisoformat(row[name]) if name.endswith("_Time") else str(row[name])


# --- HTTP ------------------------------------------------------------------------------------------------


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    crm: Zoho

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one piece
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has
        pass

    def do_GET(self) -> None:
        self._any()

    def do_POST(self) -> None:
        self._any()

    def do_PUT(self) -> None:
        self._any()

    def do_DELETE(self) -> None:
        self._any()

    def _any(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        if parts.path.startswith("/__fake__/"):
            self._control(parts.path.removeprefix("/__fake__/"), text)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            body: Any = dict(parse_qsl(text.decode()))
        else:
            with contextlib.suppress(ValueError):
                body = {}
                body = json.loads(text)
        crm = self.server.crm
        seen = Seen(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body, self.path)
        with crm.lock:
            crm.requests.append(seen)
        self._answer(seen, crm.fault_for(seen))

    def _answer(self, seen: Seen, fault: Fault | None) -> None:
        crm = self.server.crm
        kind = fault.kind if fault else ""
        if fault and kind == "slow":
            crm.stopping.wait(fault.seconds)
        if fault and kind in {"status", "html", "redirect"}:
            status = {"html": 200, "redirect": 302}.get(kind) or fault.status
            seen.answer = str(status)
            self._send(status, HTML.encode(), "text/html; charset=utf-8")
            return
        if kind == "huge":
            self._send(200, b'{"data":[],"info":{"filler":"' + b"x" * 70_000_000 + b'"}}')
            return
        if kind == "token_dies":
            crm.state.tokens.clear()
        if crm.settings.token_seconds and seen.path == TOKEN:
            crm.stopping.wait(crm.settings.token_seconds)
        with crm.lock:
            status, answer = self._outcome(seen, fault)
            text = b"" if answer is None else json.dumps(answer, ensure_ascii=False).encode()
        seen.answer = kind or str(status)
        if fault and fault.retry_after:
            self._send(status, text, more={"Retry-After": str(fault.retry_after)})
        elif kind == "truncated":
            self._send(status, text[: len(text) // 2])
        elif kind == "dropped":
            self._send(status, text[: len(text) // 2], length=len(text))
        elif kind == "drip":
            self._drip(text)
        else:
            self._send(status, text)

    def _outcome(self, seen: Seen, fault: Fault | None) -> tuple[int, dict[str, Any] | None]:
        crm = self.server.crm
        try:
            if fault and fault.kind in {"code", "echo"}:
                sent = f"{seen.headers} {seen.body} {seen.line}" if fault.kind == "echo" else "as asked for"
                raise Refused(fault.status, fault.code, sent, **fault.details)
            if seen.path in {TOKEN, REVOKE} and seen.method == "POST":
                return 200, crm.token(seen) if seen.path == TOKEN else crm.revoke(seen)
            crm.authorise(seen)
            crm.state.credits_used += 1
            answer = crm.answer(seen, fault)
        except Refused as refused:
            return refused.status, self._error(seen, refused)
        if answer is None:
            return (crm.settings.nothing if "if-modified-since" in seen.headers else 204), None
        return 200, answer

    def _error(self, seen: Seen, refused: Refused) -> dict[str, Any]:
        if seen.path == TOKEN:
            too_many = {"error_description": str(refused), "status": "failure"}
            return {"error": refused.code, **(too_many if refused.code == "Access Denied" else {})}
        error = {"code": refused.code, "message": str(refused), "details": refused.details, "status": "error"}
        return {"data": [error]} if self.server.crm.settings.errors == "wrapped" else error

    def _send(
        self,
        status: int,
        body: bytes,
        kind: str = "application/json;charset=UTF-8",
        *,
        length: int | None = None,
        more: dict[str, str] | None = None,
    ) -> None:
        crm = self.server.crm
        self.send_response(status)
        for name, value in (more or {}).items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        if status == 302:
            self.send_header("Location", f"{crm.url}/elsewhere")
        left = crm.settings.day_credits - crm.state.credits_used
        if left <= crm.settings.day_credits // 2 and not self.path.startswith("/oauth/"):
            self.send_header("X-API-CREDITS-REMAINING", str(max(0, left)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if length is not None:
            self.close_connection = True

    def _drip(self, text: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        for byte in text:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.server.crm.stopping.wait(0.1):
                return

    # --- switching over HTTP ---------------------------------------------------------------------------

    def _control(self, what: str, text: bytes) -> None:
        try:
            given = json.loads(text) if text else {}
            answer = self._switched(what.strip("/"), given)
        except (KeyError, TypeError, ValueError) as error:
            self._send(400, json.dumps({"error": repr(error)}).encode())
        else:
            self._send(200, json.dumps(answer, ensure_ascii=False, default=str).encode())

    def _switched(self, what: str, given: dict[str, Any]) -> Any:
        crm = self.server.crm
        match self.command, what:
            case "GET", "":
                return about(crm)
            case "GET", "requests":
                return [asdict(one) for one in crm.seen()]
            case "DELETE", "requests":
                crm.requests.clear()
            case "POST", "faults":
                return asdict(crm.fail(**given))
            case "DELETE", "faults":
                crm.heal()
            case "POST", "settings":
                crm.set(**given)
            case "POST", "rows":
                return {"id": _row(crm, **given)}
            case "POST", "fields":
                crm.remove_field(**given) if given.pop("gone", False) else crm.add_field(**given)
            case "POST", "notify":
                return {"status": crm.notify(**given)}
            case _:
                raise KeyError(what)
        return {}


def _row(crm: Zoho, *, module: str, row_id: str = "", act: str = "change", **values: Any) -> str:
    """Make, change or delete a record."""
    if not row_id:
        return crm.add(module, **values)
    {"change": crm.change, "delete": crm.delete}[act](module, row_id, **values)
    return row_id


def about(crm: Zoho) -> dict[str, Any]:
    """What to type to connect, and what can be switched."""
    return {
        "data centre": crm.url,
        "client id": CLIENT_ID,
        "client secret": CLIENT_SECRET,
        "refresh token": REFRESH_TOKEN,
        "grant code (instead of a refresh token, good once)": GRANT_CODE,
        "modules": {module: len(table.rows) for module, table in crm.tables.items()},
        "faults (POST faults, DELETE faults)": {
            "kinds": KINDS,
            "how": [one.name for one in fields(Fault)],
            "now": [asdict(one) for one in crm.faults],
        },
        "settings (POST settings)": asdict(crm.settings),
        "records (POST rows)": "module, row_id, act: change | delete, and values",
        "fields (POST fields)": "module, name, kind, label; gone to take one away",
        "callbacks (POST notify)": "url, token, module, ids",
        "requests": "GET requests, DELETE requests",
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--port", type=int, default=8101)
    asked.add_argument("--deals", type=int, default=2000)
    asked.add_argument("--seed", type=int, default=1)
    given = asked.parse_args()
    crm = Zoho(deals=given.deals, port=given.port, seed=given.seed)
    print(json.dumps(about(crm), ensure_ascii=False, indent=2), flush=True)  # noqa: T201 - a tool for the terminal
    crm.serve()


if __name__ == "__main__":
    main()

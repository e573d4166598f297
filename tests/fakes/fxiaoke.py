"""A local Fxiaoke (纷享销客) to develop and test against: its open API v2 with its oddities, and its faults on demand.

    python -m tests.fakes.fxiaoke --port 8102 --deals 2000

It is a real server, because answers that are cut off cannot be shown with anything less. It says HTTP 200 to
everything and puts the outcome in errorCode, as the real one does. Faults are switched on with ``fail`` or POST
/__fake__/faults; every other request is kept in ``requests``. GET /__fake__/ tells what there is to switch.
"""

from __future__ import annotations

import argparse
import bisect
import contextlib
import datetime as dt
import json
import random
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.fxiaoke_rows import ADMIN, SHANGHAI, Table, described, tenant

APP_ID = "FSAID_fake0001"
APP_SECRET = "fake-app-secret-0123456789abcdef"
PERMANENT_CODE = "fake-permanent-code-0123456789ABCDEF"
EA = "fake_tenant_cn"
MOBILE = "13800000000"  # of the administrator, for the legacy style
OPEN_USER = f"FSUID_{ADMIN}"

TOKEN_SECONDS, SAME_TOKEN_SECONDS = 7200, 6600
CALLS, WINDOW = 100, 20.0  # of each interface
TOKEN_CALLS, TOKEN_WINDOW = 10, 60.0
MOST_ROWS, MOST_OFFSET = 100, 10_000

TOKEN, LEGACY_TOKEN, USER = "/oauth2.0/token", "/cgi/corpAccessToken/get/V2", "/cgi/user/getByMobile"
LIST, DESCRIBE = "/cgi/crm/v2/object/list", "/cgi/crm/v2/object/describe"
QUERY, CUSTOM_QUERY = "/cgi/crm/v2/data/query", "/cgi/crm/custom/v2/data/query"

HTML = "<!DOCTYPE html><html><head><title>纷享销客</title></head><body>请登录</body></html>"
KINDS = {
    "code": "an errorCode (code)",
    "echo": "an errorCode (code) whose message repeats all that was sent",
    "token_dies": "all tokens given so far are unknown from now on",
    "wrong_host": "HTTP 302 to an HTML page",
    "html": "HTTP 200 with HTML",
    "status": "an HTTP status (code) with HTML, as a gateway says it",
    "truncated": "HTTP 200 with JSON cut in the middle",
    "dropped": "a connection that ends in the middle of the body",
    "slow": "an answer that takes some seconds",
    "huge": "an answer of 64 MB",
    "single": "one record where a list was asked for",
    "again": "the first page, whatever page was asked for",
    "shuffled": "a page whose rows are in no order",
    "twice": "a page that also holds a row of the page before, changed meanwhile",
    "edited": "after the page, its first row is changed",
    "before": "after the page, a record is made whose id sorts before all",
}


@dataclass
class Fault:
    """One thing that goes wrong ``times`` times (None: for ever), once ``after`` calls have passed."""

    kind: str
    times: int | None = 1
    after: int = 0
    code: int = 0
    path: str = ""  # only calls whose path ends with it; without: all but those for a token
    source: str = ""  # only calls about this object
    seconds: float = 1.0


@dataclass
class Settings:
    """How this tenant behaves where the real one is not known to behave one way or the other."""

    voided: str = "shown"  # or "hidden": a voided record is silently missing
    rate_code: int = 30004  # or 14001
    token_rate_code: int = 14001
    token_seconds: float = 0.0  # how long a call for a token takes
    daily_quota: int | None = None
    most_rows: int = MOST_ROWS  # of a page, whatever is asked for
    labels: bool = True  # whether __r comes with fields of one choice
    offset_minutes: float = 0.0  # how far the clock is ahead of ours


@dataclass
class Seen:
    """A request as it came, and the errorCode (or HTTP status, or name of the fault) that it was answered with."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]
    at: float
    answer: str = ""

    @property
    def source(self) -> str:
        data = self.body.get("data")
        return str(data.get("dataObjectApiName") or data.get("apiName") or "") if isinstance(data, dict) else ""


class Refused(Exception):
    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code


@dataclass
class _Token:
    value: str
    at: float


@dataclass
class _State:
    """What changes while it runs; held together for the lock."""

    tokens: dict[str, list[_Token]] = field(default_factory=lambda: defaultdict(list))  # by style
    asking: int = 0  # calls for a token that are under way
    calls: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    days: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    last_row: dict[str, str] = field(default_factory=dict)  # of each object, the last row given
    made: int = 0


class Fxiaoke:
    """The server. ``with Fxiaoke(deals=200) as crm:`` runs it on a free port; ``crm.url`` is where."""

    def __init__(
        self, *, deals: int = 200, port: int = 0, seed: int = 1, clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self.settings = Settings()
        self.faults: list[Fault] = []
        self.requests: list[Seen] = []
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self._state = _State()
        self._rng = random.Random(seed)
        self.tables: dict[str, Table] = tenant(deals=deals, now_ms=int(clock() * 1000), seed=seed)
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.crm = self
        self._thread: threading.Thread | None = None

    # --- running -------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Fxiaoke:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
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

    def seen(self, path: str = "", source: str = "") -> list[Seen]:
        """Requests whose path ends so, about that object."""
        with self.lock:
            return [one for one in self.requests if one.path.endswith(path) and source in {"", one.source}]

    def tokens(self) -> dict[str, list[_Token]]:
        """Those that are good, by style."""
        with self.lock:
            return {style: list(tokens) for style, tokens in self._state.tokens.items()}

    def now_ms(self) -> int:
        """The clock of the server, which may be wrong."""
        return int((self._clock() + self.settings.offset_minutes * 60) * 1000)

    # --- records -------------------------------------------------------------------------------------

    def add(self, source: str, **values: Any) -> str:
        with self.lock:
            self._state.made += 1
            row_id = values.get("_id") or f"{self._rng.getrandbits(96):024x}"
            now = self.now_ms()
            given = {"name": f"新记录{self._state.made}", "owner": [ADMIN], "create_time": now, "life_status": "normal"}
            self.tables[source].put({**given, "is_deleted": False, "last_modified_time": now, **values, "_id": row_id})
            return str(row_id)

    def change(self, source: str, row_id: str, **values: Any) -> None:
        with self.lock:
            row = self.tables[source].rows[row_id]
            row.update({"last_modified_time": self.now_ms(), **values})

    def void(self, source: str, row_id: str) -> None:
        self.change(source, row_id, life_status="invalid")

    def delete(self, source: str, row_id: str) -> None:
        """The second step: the record is in no answer any more."""
        with self.lock:
            self.tables[source].remove(row_id)

    def add_field(self, source: str, name: str, kind: str = "number", label: str = "自定义") -> None:
        with self.lock:
            self.tables[source].fields[name] = described(name, kind, label)

    def remove_field(self, source: str, name: str, *, renamed: str = "") -> None:
        with self.lock:
            table = self.tables[source]
            was = table.fields.pop(name)
            if renamed:
                table.fields[renamed] = {**was, "api_name": renamed}
            for row in table.rows.values():
                value = row.pop(name, None)
                if renamed:
                    row[renamed] = value

    # --- answering -----------------------------------------------------------------------------------

    def fault_for(self, seen: Seen) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if not self._concerns(fault, seen):
                    continue
                if fault.after:
                    fault.after -= 1
                elif fault.times is None or fault.times:
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None

    @staticmethod
    def _concerns(fault: Fault, seen: Seen) -> bool:
        is_for_token = seen.path in {TOKEN, LEGACY_TOKEN, USER}
        place = seen.path.endswith(fault.path) if fault.path else not is_for_token
        return place and fault.source in {"", seen.source}

    def answer(self, seen: Seen, fault: Fault | None) -> dict[str, Any]:
        """What stands in the envelope besides traceId and errors. Raises Refused."""
        if seen.path in {TOKEN, LEGACY_TOKEN}:
            return self._token(seen, legacy=seen.path == LEGACY_TOKEN)
        if fault and fault.kind == "token_dies":
            with self.lock:
                self._state.tokens.clear()
        user, legacy = self._authorised(seen)
        if seen.path == USER:
            return {"empList": [{"openUserId": OPEN_USER, "name": "管理员"}]} if legacy else {}
        with self.lock:
            self._count(seen.path)
            return {"data": self._data(seen, user, legacy=legacy, fault=fault)}

    def _token(self, seen: Seen, *, legacy: bool) -> dict[str, Any]:
        with self.lock:
            now = self._clock()
            self._spend(f"token {seen.path}", now, TOKEN_CALLS, TOKEN_WINDOW, self.settings.token_rate_code)
            if self._state.asking:
                raise Refused(self.settings.token_rate_code, "concurrent")
            self._state.asking += 1
        try:
            self.stopping.wait(self.settings.token_seconds)
            sent = (seen.body.get("appId"), seen.body.get("appSecret"), seen.body.get("permanentCode"))
            if sent != (APP_ID, APP_SECRET, PERMANENT_CODE):
                raise Refused(10006)
            if not legacy and seen.body.get("grantType") != "app_secret":
                raise Refused(15002)
            with self.lock:
                return self._given(now, legacy=legacy)
        finally:
            with self.lock:
                self._state.asking -= 1

    def _given(self, now: float, *, legacy: bool) -> dict[str, Any]:
        kept = self._state.tokens["legacy" if legacy else "current"]
        kept[:] = [token for token in kept if now - token.at < TOKEN_SECONDS]
        if not kept or now - kept[-1].at >= SAME_TOKEN_SECONDS:
            kept.append(_Token(uuid.UUID(int=self._rng.getrandbits(128)).hex.upper(), now))
        left = int(TOKEN_SECONDS - (now - kept[-1].at))
        if legacy:
            return {"corpAccessToken": kept[-1].value, "corpId": EA, "expiresIn": left}
        return {"accessToken": kept[-1].value, "expiresIn": left, "ea": EA, "appId": APP_ID, "openUserId": EA}

    def _authorised(self, seen: Seen) -> tuple[str, bool]:
        """The employee on whose behalf it is asked, and whether in the legacy style."""
        if token := str(seen.body.get("corpAccessToken") or ""):
            self._known(token, "legacy")
            user = str(seen.body.get("currentOpenUserId") or "")
            if seen.body.get("corpId") != EA:
                raise Refused(20017)
            if seen.path != USER and not user.startswith("FSUID_"):
                raise Refused(20012)
            return user.removeprefix("FSUID_"), True
        scheme, _, token = seen.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            raise Refused(20017)
        self._known(token, "current")
        if seen.headers.get("x-fs-ea") != EA:
            raise Refused(20017)
        if not seen.headers.get("x-fs-userid"):
            raise Refused(20012)
        return seen.headers["x-fs-userid"], False

    def _known(self, value: str, style: str) -> None:
        with self.lock:
            now = self._clock()
            tokens = self._state.tokens[style]
            if not any(token.value == value and now - token.at < TOKEN_SECONDS for token in tokens):
                raise Refused(20016)

    def _count(self, path: str) -> None:
        day = dt.datetime.fromtimestamp(self._clock(), SHANGHAI).date().isoformat()
        if self.settings.daily_quota is not None and self._state.days[day] >= self.settings.daily_quota:
            raise Refused(30002)
        self._spend(path, self._clock(), CALLS, WINDOW, self.settings.rate_code)
        self._state.days[day] += 1

    def _spend(self, name: str, now: float, most: int, window: float, code: int) -> None:
        calls = self._state.calls[name]
        while calls and now - calls[0] >= window:
            calls.popleft()
        if len(calls) >= most:
            raise Refused(code)
        calls.append(now)

    def _data(self, seen: Seen, user: str, *, legacy: bool, fault: Fault | None) -> dict[str, Any]:
        if seen.path == LIST:
            return {
                "objects": [
                    {"describeApiName": name, "describeDisplayName": table.label, "isActive": True}
                    for name, table in self.tables.items()
                ]
            }
        table = self.tables.get(seen.source)
        if table is None:
            raise Refused(15002, "no such object")
        if seen.path == DESCRIBE:
            return {"describe": {"api_name": seen.source, "fields": table.fields}}
        if seen.path not in {QUERY, CUSTOM_QUERY} or (seen.path == CUSTOM_QUERY) != seen.source.endswith("__c"):
            raise Refused(15002, "wrong interface")
        return _Query(self, seen, table).run(user, legacy=legacy, fault=fault)

    # --- for the query ---------------------------------------------------------------------------------

    def last_row(self, source: str) -> str | None:
        return self._state.last_row.get(source)

    def remember_row(self, source: str, row_id: str) -> None:
        self._state.last_row[source] = row_id

    def shuffled(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return self._rng.sample(rows, len(rows))


class _Query:
    """One call of data/query."""

    def __init__(self, crm: Fxiaoke, seen: Seen, table: Table) -> None:
        self.crm = crm
        self.source = seen.source
        self.table = table
        self.wants_null = bool(seen.body.get("includeNull"))
        info = seen.body["data"].get("search_query_info")
        if not isinstance(info, dict):
            raise Refused(15002)
        self.info = info

    def run(self, user: str, *, legacy: bool, fault: Fault | None) -> dict[str, Any]:
        limit, offset = self.info.get("limit", 20), self.info.get("offset", 0)
        if not isinstance(limit, int) or not isinstance(offset, int) or not 0 < limit <= MOST_ROWS or offset % limit:
            raise Refused(15002)
        if offset > MOST_OFFSET:
            raise Refused(10013, "offset不能大于10000，请使用_id排序翻页")
        limit = min(limit, self.crm.settings.most_rows)
        kind = fault.kind if fault else ""
        found = self._found(user, limit + offset, ignore_id=kind == "again")[offset:]
        if kind == "twice" and (before := self.crm.last_row(self.source)):
            self.crm.change(self.source, before)
            found = [*found[: limit - 1], self.table.rows[before]]
        if kind == "shuffled":
            found = self.crm.shuffled(found)
        shown = [self._shown(row, legacy=legacy) for row in found]
        self._afterwards(kind, found)
        if kind == "single":
            return shown[0]
        return {"dataList": shown, "offset": offset, "limit": limit, "total": 0}

    def _afterwards(self, kind: str, found: list[dict[str, Any]]) -> None:
        if found:
            self.crm.remember_row(self.source, found[-1]["_id"])
        if kind == "edited" and found:
            self.crm.change(self.source, found[0]["_id"], name="改过的名称")
        if kind == "before":
            self.crm.add(self.source, _id=f"{len(self.table.order):024x}")

    def _found(self, user: str, most: int, *, ignore_id: bool) -> list[dict[str, Any]]:
        filters = [one for one in self.info.get("filters", []) if not (ignore_id and one.get("field_name") == "_id")]
        tests = [_condition(one) for one in filters]
        orders = self.info.get("orders", [])
        after = [one["field_values"][0] for one in filters if (one["field_name"], one["operator"]) == ("_id", "GT")]
        start = bisect.bisect_right(self.table.order, max(after)) if after else 0
        rows: Iterator[dict[str, Any]] = (self.table.rows[row_id] for row_id in self.table.order[start:])
        if orders and orders[0]["fieldName"] != "_id":
            by = orders[0]["fieldName"]
            rows = iter(sorted(rows, key=lambda row: (row.get(by) is not None, row.get(by))))
        if orders and not orders[0].get("isAsc", True):
            rows = iter(list(rows)[::-1])
        found: list[dict[str, Any]] = []
        for row in rows:
            if self._may_see(row, user) and all(test(row) for test in tests):
                found.append(row)
                if len(found) == most:
                    break
        return found

    def _may_see(self, row: dict[str, Any], user: str) -> bool:
        if row["life_status"] == "invalid" and self.crm.settings.voided == "hidden":
            return False
        return user == ADMIN or user in (row.get("owner") or [])

    def _shown(self, row: dict[str, Any], *, legacy: bool) -> dict[str, Any]:
        names = self.info.get("fieldProjection") or list(self.table.fields)
        shown: dict[str, Any] = {}
        for name in names:
            if (value := row.get(name)) is None or name not in self.table.fields:
                if self.wants_null and name in self.table.fields:
                    shown[name] = None
                continue
            shown[name] = value
            shown.update(self._derived(name, value, legacy=legacy))
        return shown

    def _derived(self, name: str, value: Any, *, legacy: bool) -> dict[str, Any]:
        kind = self.table.fields[name]["type"]
        if kind == "employee":
            people = [{"id": one, "name": f"员工{one}", "tenantId": "590163"} for one in value]
            ids = {name: [f"FSUID_{one}" for one in value]} if legacy else {}
            return {**ids, f"{name}__l": people, f"{name}__r": people[0] if people else {}}
        if kind == "object_reference":
            name_of = next((t.rows[value]["name"] for t in self.crm.tables.values() if value in t.rows), "")
            return {f"{name}__r": name_of, f"{name}__relation_ids": value}
        if kind == "select_one" and self.crm.settings.labels:
            words = {one["value"]: one["label"] for one in self.table.fields[name].get("options", [])}
            return {f"{name}__r": words.get(value, value)}
        return {}


def _condition(wanted: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
    """Whether a row meets a filter. Values must be a list of texts, as documented."""
    name, operator, values = wanted.get("field_name"), wanted.get("operator"), wanted.get("field_values")
    test = _OPERATORS.get(str(operator))
    if not isinstance(name, str) or test is None or not isinstance(values, list):
        raise Refused(15002)
    if not all(isinstance(value, str) for value in values) or (not values and operator not in {"IS", "ISN"}):
        raise Refused(15002)
    return lambda row: test(row.get(name), values)


def _alike(stored: Any, given: str) -> tuple[Any, Any]:
    return (stored, int(given)) if isinstance(stored, int) and not isinstance(stored, bool) else (str(stored), given)


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any, list[str]], bool]:
    return lambda stored, values: stored is not None and compare(*_alike(stored, values[0]))


_OPERATORS: dict[str, Callable[[Any, list[str]], bool]] = {
    "EQ": _compared(lambda a, b: a == b),
    "N": lambda stored, values: stored is None or _compared(lambda a, b: a != b)(stored, values),
    "GT": _compared(lambda a, b: a > b),
    "GTE": _compared(lambda a, b: a >= b),
    "LT": _compared(lambda a, b: a < b),
    "LTE": _compared(lambda a, b: a <= b),
    "LIKE": _compared(lambda a, b: str(b) in str(a)),
    "STARTWITH": _compared(lambda a, b: str(a).startswith(str(b))),
    "IN": lambda stored, values: stored is not None and str(stored) in values,
    "NIN": lambda stored, values: stored is None or str(stored) not in values,
    "BETWEEN": lambda stored, values: stored is not None and int(values[0]) <= stored <= int(values[1]),
    "IS": lambda stored, values: stored is None,
    "ISN": lambda stored, values: stored is not None,
    "CONTAINS": lambda stored, values: isinstance(stored, list) and values[0] in stored,
}


# --- HTTP ------------------------------------------------------------------------------------------------


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    crm: Fxiaoke

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one piece
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has
        pass

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_GET(self) -> None:
        self._any()

    def do_POST(self) -> None:
        self._any()

    def do_DELETE(self) -> None:
        self._any()

    def _any(self) -> None:
        text = self._body()
        parts = urlsplit(self.path)
        if parts.path.startswith("/__fake__/"):
            self._control(parts.path.removeprefix("/__fake__/"), text)
            return
        try:
            body = json.loads(text)
        except ValueError:
            body = {}
        crm = self.server.crm
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = body if isinstance(body, dict) else {}
        seen = Seen(parts.path, dict(parse_qsl(parts.query)), headers, body, crm.now_ms() / 1000)
        with crm.lock:
            crm.requests.append(seen)
        if self.command != "POST":
            seen.answer = "405"
            self._send(405, HTML.encode(), "text/html; charset=utf-8")
            return
        self._answer(seen, crm.fault_for(seen))

    def _answer(self, seen: Seen, fault: Fault | None) -> None:
        crm = self.server.crm
        kind = fault.kind if fault else ""
        seen.answer = kind
        if fault and kind == "slow":
            crm.stopping.wait(fault.seconds)
        if kind in {"wrong_host", "html", "status"}:
            status = {"wrong_host": 302, "html": 200}.get(kind) or (fault.code if fault else 0)
            self._send(status, HTML.encode(), "text/html; charset=utf-8")
            return
        if kind == "huge":
            self._send(200, b'{"errorCode":0,"data":"', length=64 << 20)
            for _ in range(64):
                self.wfile.write(b"x" * (1 << 20))
            return
        envelope = self._envelope(seen, fault)
        with crm.lock:  # rows may change while they are written down
            text = json.dumps(envelope, ensure_ascii=False).encode()
        if kind == "truncated":
            self._send(200, text[: len(text) // 2])
        elif kind == "dropped":
            self._send(200, text[: len(text) // 2], length=len(text))
        else:
            self._send(200, text)

    def _envelope(self, seen: Seen, fault: Fault | None) -> dict[str, Any]:
        crm = self.server.crm
        trace = {"traceId": f"E-O.{EA}.{ADMIN}-{seen.query.get('thirdTraceId', '')[:8]}"}
        try:
            if fault and fault.kind in {"code", "echo"}:
                sent = f"{seen.headers} {seen.body}" if fault.kind == "echo" else "fault"
                raise Refused(fault.code, sent)
            with crm.lock if seen.path not in {TOKEN, LEGACY_TOKEN} else contextlib.nullcontext():
                answer = crm.answer(seen, fault)
        except Refused as refused:
            seen.answer = str(refused.code)
            why = f"错误 {refused}".strip()
            return {**trace, "errorCode": refused.code, "errorMessage": why, "errorDescription": why}
        seen.answer = seen.answer or "0"
        return {**trace, "errorCode": 0, "errorMessage": "OK", "errorDescription": "success", **answer}

    def _send(
        self, status: int, body: bytes, kind: str = "application/json;charset=UTF-8", *, length: int | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if status == 302:
            self.send_header("Location", f"{self.server.crm.url}/login")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if length is not None:
            self.close_connection = True

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
                return {"_id": _row(crm, **given)}
            case "POST", "fields":
                crm.remove_field(**given) if given.get("renamed") or given.pop("gone", False) else crm.add_field(
                    **given
                )
            case _:
                raise KeyError(what)
        return {}


def _row(crm: Fxiaoke, *, source: str, row_id: str = "", act: str = "change", **values: Any) -> str:
    """Make, change, void or delete a record."""
    if not row_id:
        return crm.add(source, **values)
    if act == "change":
        crm.change(source, row_id, **values)
    else:
        {"void": crm.void, "delete": crm.delete}[act](source, row_id)
    return row_id


def about(crm: Fxiaoke) -> dict[str, Any]:
    """What to type to connect, and what can be switched."""
    return {
        "address": crm.url,
        "app id": APP_ID,
        "app secret": APP_SECRET,
        "permanent code": PERMANENT_CODE,
        "employee (administrator)": ADMIN,
        "legacy style: open user id or mobile": [OPEN_USER, MOBILE],
        "objects": {source: len(table.rows) for source, table in crm.tables.items()},
        "faults (POST faults, DELETE faults)": {
            "kinds": KINDS,
            "how": [one.name for one in fields(Fault)],
            "now": [asdict(one) for one in crm.faults],
        },
        "settings (POST settings)": asdict(crm.settings),
        "records (POST rows)": "source, row_id, act: change | void | delete, and values",
        "fields (POST fields)": "source, name, kind, label; renamed or gone to take one away",
        "requests": "GET requests, DELETE requests",
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--port", type=int, default=8102)
    asked.add_argument("--deals", type=int, default=2000)
    options = asked.parse_args()
    crm = Fxiaoke(port=options.port, deals=options.deals)
    told = about(crm)
    for name in list(told)[:6]:
        print(f"{name:40}{told[name]}")  # noqa: T201 - what the person who started it wants to see
    print(f"{'faults and requests':40}{crm.url}/__fake__/", flush=True)  # noqa: T201
    crm.serve()


if __name__ == "__main__":
    main()

"""How Fxiaoke is asked, and what its answers mean.

It says HTTP 200 to everything and puts the outcome in errorCode; its messages are unstable, so only the code decides.
What an employee may not see is missing from answers without any error: the one given here must be an administrator.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from crm.connectors.base import (
    About,
    ConnectorError,
    CredentialsRefused,
    LimitReached,
    Misconfigured,
    NotPermitted,
    NotThere,
    Page,
    PagingLoop,
    Row,
    SourceField,
    Tally,
    Token,
    Tokens,
    Unavailable,
)
from crm.connectors.fxiaoke import values
from crm.connectors.http import Again, Answer, Clock, Http, Limits, Sleep, Ticks
from crm.kinds import Type
from riskreg import outside

CLOUDS: Mapping[str, str] = {
    "fxiaoke": "https://open.fxiaoke.com",
    "huawei": "https://open-hwcloud.fxiaoke.com",
    "aliyun": "https://open-ale.fxiaoke.com",
    "frankfurt": "https://open-hws.fxiaoke.com",
    "hong_kong": "https://open-ksc.sharecrm.com",
    "north_america": "https://open-na.sharecrm.com",
}
ZONE = ZoneInfo("Asia/Shanghai")  # in which its days begin
LIMITS = Limits(apart=0.25)  # of each interface it takes 100 calls in 20 s

_ROWS = 100  # in a page; more is refused
_WAIT = 20.0  # seconds after which its counting of calls begins anew
_AFTER_MIDNIGHT = dt.timedelta(minutes=5)  # its clock is not ours
# From 600 s before its end on, a new token is given while the old one still works; before that, always the same.
_RENEW = dt.timedelta(seconds=300)
_LONGEST_TOKEN = 7200

_TOKEN, _LEGACY_TOKEN, _USER = "/oauth2.0/token", "/cgi/corpAccessToken/get/V2", "/cgi/user/getByMobile"
_LIST, _DESCRIBE = "/cgi/crm/v2/object/list", "/cgi/crm/v2/object/describe"
_QUERY, _CUSTOM_QUERY = "/cgi/crm/v2/data/query", "/cgi/crm/custom/v2/data/query"

_BUSY = {-1, -2, 50009}
_TOO_FAST = {14001, 30004}
_DAY_USED_UP = 30002
_NO_QUOTA = {30003}
# 20017 is what a call without a token gets, whatever the published table says; 10013 means that in the table, and
# something about offsets elsewhere, which are never used here.
_TOKEN_UNKNOWN = {20016, 20005, 20017, 10013}
_CREDENTIALS = {20006, 20015, 10006, 20010, 20012, 30007, 30027, *range(11000, 12000)}
_PERMISSION = {20014, 20020, 20021, 20022, 20023, 15003}
_PARAMETER = {15002, 32000}

# Read in every query: what a row is, when it changed, and whether it is gone.
_ALWAYS = ("_id", "last_modified_time", "life_status", "is_deleted")
# Owners are given by the number of an employee, not by the id of the record that tells of her.
_KEYS = {"PersonnelObj": "user_id"}


class Style(StrEnum):
    """How a call says who asks: with headers, or as before with three more keys in its body."""

    CURRENT = "current"
    LEGACY = "legacy"


@dataclass(frozen=True)
class Credentials:
    """``user`` is the number of an employee who may see everything; in the legacy style her open id or her mobile."""

    app_id: str
    app_secret: str = field(repr=False)
    permanent_code: str = field(repr=False)
    user: str
    style: Style = Style.CURRENT


class _TokenUnknown(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


class Fxiaoke:
    """A Connector. ``cloud`` is a key of CLOUDS, or one of ``own_bases``: a fake, for tests and trials."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        cloud: str,
        tokens: Tokens,
        clock: Clock,
        sleep: Sleep = time.sleep,
        ticks: Ticks = time.monotonic,
        zone: dt.tzinfo = ZONE,
        own_bases: Collection[str] = (),
        limits: Limits = LIMITS,
        resolve: outside.Resolve | None = None,
    ) -> None:
        if cloud not in CLOUDS and cloud not in own_bases:
            raise Misconfigured("This is none of Fxiaoke's clouds.")
        self.tally = Tally()
        self._credentials = credentials
        self._base = CLOUDS.get(cloud, cloud).rstrip("/")
        self._tokens = tokens
        self._clock = clock
        self._zone = zone
        self._secrets = {credentials.app_secret, credentials.permanent_code}
        self._http = Http(
            [self._base] if cloud in CLOUDS else [],
            tally=self.tally,
            sleep=sleep,
            ticks=ticks,
            own=[] if cloud in CLOUDS else [self._base],
            limits=limits,
            resolve=resolve,
        )

    def close(self) -> None:
        self._http.close()

    # --- what every connector offers -------------------------------------------------------------------

    def test(self) -> About:
        answer = self._call(_LIST, {"includeNull": False}, source="")
        objects = answer["data"].get("objects") if isinstance(answer.get("data"), dict) else None
        if not isinstance(objects, list):
            raise Unavailable("Fxiaoke did not list its objects.")
        token = self._tokens.get()
        return About(token.details.get("tenant", "") if token else "", time_zone=str(self._zone))

    def fields(self, source: str) -> list[SourceField]:
        return list(self._fields(source).values())

    def pages(
        self, source: str, *, fields: Sequence[str], since: dt.datetime | None, cursor: str | None
    ) -> Iterator[Page]:
        # A field that was taken away is simply missing from answers, as if nobody had filled it in.
        known = self._fields(source)
        if lost := sorted(set(fields) - set(known)):
            raise NotThere(f"{source} has no field {', '.join(lost)}.", source=source)
        labels = {name: dict(known[name].choices) for name in fields if values.is_label(name)}
        for rows, after in self._lists(source, [values.stored_name(name) for name in fields], since, cursor):
            yield Page([self._row(source, row, labels) for row in rows], after)

    def gone(self, source: str, *, since: dt.datetime | None) -> Iterator[list[str]]:
        """It has no such list: a voided row says so itself, a deleted one is missing from ``ids``."""
        yield from ()

    def ids(self, source: str) -> Iterator[list[str]]:
        for rows, _after in self._lists(source, [], None, None):
            yield [row.external_id for row in (self._row(source, raw, {}) for raw in rows) if not row.gone]

    def value(self, raw: Any, wanted: Type) -> Any:
        return values.read(raw, wanted, self._zone)

    # --- rows --------------------------------------------------------------------------------------------

    def _lists(
        self, source: str, fields: Sequence[str], since: dt.datetime | None, cursor: str | None
    ) -> Iterator[tuple[list[dict[str, Any]], str | None]]:
        """Raw rows in the order of their ids, and the id to go on after.

        An id and not an offset: those end at 10 000, and shift when a row comes or goes.
        """
        projection = list(dict.fromkeys([*_ALWAYS, *filter(None, [_KEYS.get(source)]), *fields]))
        before: list[str] = []
        used = {cursor}
        while True:
            rows, limit = self._list(source, projection, since, cursor)
            ids = [row["_id"] for row in rows]
            if ids and (max(ids) in used or sorted(ids) == before):
                raise PagingLoop(f"Fxiaoke gave the same page of {source} again.", source=source)
            before = sorted(ids)
            cursor = max(ids) if len(ids) >= limit else None
            used.add(cursor)
            yield rows, cursor
            if cursor is None:
                return

    def _list(
        self, source: str, projection: Sequence[str], since: dt.datetime | None, cursor: str | None
    ) -> tuple[list[dict[str, Any]], int]:
        filters = []
        if since is not None:
            filters.append(_filter("last_modified_time", "GTE", values.milliseconds(since)))
        if cursor is not None:
            filters.append(_filter("_id", "GT", cursor))
        info = {
            "limit": _ROWS,
            "offset": 0,
            "filters": filters,
            "orders": [{"fieldName": "_id", "isAsc": True}],
            "fieldProjection": list(projection),
        }
        query = {"dataObjectApiName": source, "find_explicit_total_num": False, "search_query_info": info}
        path = _CUSTOM_QUERY if source.endswith("__c") else _QUERY
        answer = self._call(path, {"includeNull": False, "data": query}, source=source)
        data = answer.get("data")
        rows = data.get("dataList") if isinstance(data, dict) else None
        # Some pages of the documentation show one record in its place: read as a row, all others would be lost.
        if not isinstance(rows, list) or not all(isinstance(row, dict) and _is_id(row.get("_id")) for row in rows):
            raise Unavailable(f"Fxiaoke gave no list of {source}.", source=source)
        limit = data.get("limit") if isinstance(data, dict) else None
        return rows, limit if isinstance(limit, int) and 0 < limit < _ROWS else _ROWS

    def _row(self, source: str, raw: dict[str, Any], labels: Mapping[str, Mapping[str, str]]) -> Row:
        """With the labels that were asked for also where they did not come, and people by their numbers."""
        row = dict(raw)
        if self._credentials.style is Style.LEGACY:
            row |= values.numbers_of_people(raw)
        for name, words in labels.items():
            stored = row.get(values.stored_name(name))
            if row.get(name) is None and isinstance(stored, str):
                row[name] = words.get(stored)
        key = row.get(_KEYS.get(source, "_id")) or raw["_id"]
        return Row(str(key), values.moment_or_none(raw.get("last_modified_time")), row, gone=values.is_gone(raw))

    def _fields(self, source: str) -> dict[str, SourceField]:
        body = {"includeNull": False, "includeDetail": False, "data": {"apiName": source}}
        answer = self._call(_DESCRIBE, body, source=source, refused=NotThere)
        try:
            return values.fields(answer["data"]["describe"]["fields"])
        except (AttributeError, KeyError, TypeError):
            raise Unavailable(f"Fxiaoke did not describe {source}.", source=source) from None

    # --- calls -------------------------------------------------------------------------------------------

    def _call(
        self, path: str, body: Mapping[str, Any], *, source: str, refused: type[ConnectorError] = Misconfigured
    ) -> dict[str, Any]:
        """One call with a token; once more with a new one if that is not known any more."""
        token = self._token()
        try:
            return self._with_token(path, body, token, source, refused)
        except _TokenUnknown as unknown:
            self.tally.retries += 1
            self.tally.errors.append(f"Fxiaoke did not know the token any more ({unknown.code}).")
            token = self._token(instead_of=token)
        code = ""
        try:
            return self._with_token(path, body, token, source, refused)
        except _TokenUnknown as unknown:
            code = str(unknown.code)
        raise CredentialsRefused(f"Fxiaoke refuses the token it has just given ({code}).", code=code, source=source)

    def _with_token(
        self, path: str, body: Mapping[str, Any], token: Token, source: str, refused: type[ConnectorError]
    ) -> dict[str, Any]:
        self._secrets.add(token.value)
        return self._post(path, {**body, **self._who_in_body(token)}, self._who_in_headers(token), source, refused)

    def _who_in_headers(self, token: Token) -> dict[str, str]:
        if self._credentials.style is Style.LEGACY:
            return {}
        tenant, user = token.details["tenant"], self._credentials.user
        return {"authorization": f"Bearer {token.value}", "x-fs-ea": tenant, "x-fs-userid": user}

    def _who_in_body(self, token: Token) -> dict[str, str]:
        if self._credentials.style is Style.CURRENT:
            return {}
        return {
            "corpAccessToken": token.value,
            "corpId": token.details["tenant"],
            "currentOpenUserId": token.details.get("user", ""),
        }

    def _post(
        self,
        path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str],
        source: str,
        refused: type[ConnectorError],
    ) -> dict[str, Any]:
        def judge(answer: Answer) -> dict[str, Any]:
            return self._judged(answer, source, refused)

        return self._http.call(
            "POST",
            self._base + path,
            judge=judge,
            headers=headers,
            params=lambda: {"thirdTraceId": str(uuid.uuid4())},
            body=body,
            lane=path,
        )

    # --- what an answer means ------------------------------------------------------------------------------

    def _judged(self, answer: Answer, source: str, refused: type[ConnectorError]) -> dict[str, Any]:
        if answer.status >= 400:  # not Fxiaoke itself, but something before it
            why = f"HTTP {answer.status}"
            if answer.status in {408, 429}:
                busy = LimitReached(f"Fxiaoke takes no more calls for now ({why}).", code=why, source=source)
                raise Again(busy, wait=_WAIT)
            raise Misconfigured(f"Fxiaoke does not take this call ({why}).", code=why, source=source)
        envelope = answer.data if isinstance(answer.data, dict) else {}
        code: int | None = _number(envelope.get("errorCode"))
        if code == 0:
            return dict(envelope)
        if code is None:
            raise Again(Unavailable("Fxiaoke's answer does not say how it went.", source=source))
        if code in _TOKEN_UNKNOWN:
            raise _TokenUnknown(code)
        raise self._failure(code, f"{code}{self._said(envelope)}", source, refused)

    def _failure(self, code: int, said: str, source: str, refused: type[ConnectorError]) -> Exception:
        """What to raise for a code; an unknown one is no reason to try again."""
        about: dict[str, Any] = {"code": str(code), "source": source}
        if code in _BUSY:
            return Again(Unavailable(f"Fxiaoke is busy ({said}).", **about))
        if code in _TOO_FAST:
            return Again(LimitReached(f"Fxiaoke takes no more calls for now ({said}).", **about), wait=_WAIT)
        if code == _DAY_USED_UP:
            again_at = _next_day(self._clock())
            return LimitReached(f"Fxiaoke's calls of this day are used up ({said}).", again_at=again_at, **about)
        for codes, error, words in (
            (_NO_QUOTA, LimitReached, "This tenant of Fxiaoke has bought no calls"),
            (_CREDENTIALS, CredentialsRefused, "Fxiaoke does not accept the credentials"),
            (_PERMISSION, NotPermitted, "Fxiaoke does not permit this"),
            (_PARAMETER, refused, "Fxiaoke does not know what it was asked for"),
        ):
            if code in codes:
                return error(f"{words} ({said}).", **about)
        return Misconfigured(f"Fxiaoke refuses with a code that is not known ({said}).", **about)

    def _said(self, envelope: Mapping[str, Any]) -> str:
        """Its own words and its number of the call, for a person to pass on; never what we sent it."""
        words = [str(envelope.get(name) or "") for name in ("errorMessage", "traceId")]
        text = "".join(f": {' '.join(word.split())}" for word in words if word)
        for secret in sorted(filter(None, self._secrets), key=len, reverse=True):
            text = text.replace(secret, "…")
        return "".join(character for character in text if character.isprintable())[:300]

    # --- the token -----------------------------------------------------------------------------------------

    def _token(self, *, instead_of: Token | None = None) -> Token:
        kept = self._tokens.get()
        if kept is not None and self._is_good(kept, instead_of):
            return kept
        with self._tokens.lock():
            kept = self._tokens.get()
            if kept is not None and self._is_good(kept, instead_of):
                return kept  # another worker was faster
            token = self._new_token()
            self._tokens.put(token)
            return token

    def _is_good(self, token: Token, refused: Token | None) -> bool:
        ours = (token.details.get("app"), token.details.get("style")) == (
            self._credentials.app_id,
            self._credentials.style.value,
        )
        is_refused = refused is not None and token.value == refused.value
        return ours and not is_refused and token.expires_at - _RENEW > self._clock()

    def _new_token(self) -> Token:
        ours = self._credentials
        legacy = ours.style is Style.LEGACY
        body = {"appId": ours.app_id, "appSecret": ours.app_secret, "permanentCode": ours.permanent_code}
        self.tally.tokens += 1
        path = _LEGACY_TOKEN if legacy else _TOKEN
        answer = self._without_token(path, body if legacy else {**body, "grantType": "app_secret"})
        value = answer.get("corpAccessToken" if legacy else "accessToken")
        tenant = answer.get("corpId" if legacy else "ea")
        seconds = _number(answer.get("expiresIn"))
        if not isinstance(value, str) or not value or not isinstance(tenant, str) or not tenant or seconds is None:
            raise Unavailable("Fxiaoke gave no token.")
        self._secrets.add(value)
        details = {"tenant": tenant, "app": ours.app_id, "style": ours.style.value}
        if legacy:
            details["user"] = self._open_user(value, tenant)
        return Token(value, self._clock() + dt.timedelta(seconds=min(seconds, _LONGEST_TOKEN)), details)

    def _open_user(self, token: str, tenant: str) -> str:
        """The open id of the employee, which the legacy style wants in place of her number."""
        user = self._credentials.user
        if not user.removeprefix("+").isdigit():
            return user
        answer = self._without_token(_USER, {"corpAccessToken": token, "corpId": tenant, "mobile": user})
        found = answer.get("empList")
        first = found[0] if isinstance(found, list) and found else {}
        open_id = first.get("openUserId") if isinstance(first, dict) else None
        if not isinstance(open_id, str) or not open_id:
            raise CredentialsRefused("Fxiaoke knows no employee with this mobile number.")
        return open_id

    def _without_token(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        code = ""
        try:
            return self._post(path, body, {}, "", CredentialsRefused)
        except (_TokenUnknown, NotPermitted) as error:
            code = str(error.code)
        raise CredentialsRefused(f"Fxiaoke gives this application no token ({code}).", code=code)


def _filter(name: str, operator: str, value: str) -> dict[str, Any]:
    return {"field_name": name, "operator": operator, "field_values": [value]}


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.removeprefix("-").isascii() and value.removeprefix("-").isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _next_day(now: dt.datetime) -> dt.datetime:
    tomorrow = now.astimezone(ZONE).date() + dt.timedelta(days=1)
    return dt.datetime.combine(tomorrow, dt.time(), ZONE) + _AFTER_MIDNIGHT

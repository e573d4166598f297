"""What an answer of Zoho means: empty, rows, or which failure. Plain.

The HTTP status decides, and the code within it. Zoho's own sentences are never repeated: they change, and they may
hold what was sent.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection
from typing import Any

from crm.connectors.base import (
    ConnectorError,
    CredentialsRefused,
    CursorExpired,
    LimitReached,
    Misconfigured,
    NotPermitted,
    NotThere,
    Token,
    Unavailable,
)
from crm.connectors.http import Again, Answer, Clock, retry_after

API_NAME = re.compile(r"\$?[A-Za-z][A-Za-z0-9_]*")
_CODE = re.compile(r"[A-Za-z0-9_ .-]{1,60}")
_TOO_MANY_TOKENS = dt.timedelta(minutes=10)  # Zoho gives out ten tokens in that time
_LIMIT = dt.timedelta(hours=1)  # it does not say when there will be credits again
_DAY = 86_400


class TokenRefused(CredentialsRefused):
    """The access token is not, or no longer, good: another one may be."""


class ListEnds(Misconfigured):
    """The list goes no further, although there is more: the rest has to be asked for in another way."""


_OF_400: dict[str, tuple[type[ConnectorError], str]] = {
    "EXPIRED_VALUE": (CursorExpired, "no longer knows the place in the list"),
    "TOKEN_BOUND_DATA_MISMATCH": (CursorExpired, "knows the place in the list for another question only"),
    "PAGINATION_LIMIT_EXCEEDED": (ListEnds, "lists no more records"),
    "INVALID_MODULE": (NotThere, "has no such module"),
}


def listed(key: str, *, source: str, asked: Collection[str], clock: Clock) -> Callable[[Answer], dict[str, Any] | None]:
    """A judge of answers that hold a list under ``key``; None where there is nothing."""

    def judge(answer: Answer) -> dict[str, Any] | None:
        if answer.status in {204, 304}:
            return None
        if answer.status >= 400:
            raise _failure(answer, source, asked, clock)
        data = answer.data
        if not isinstance(data, dict) or not _all_objects(data.get(key)):
            raise Again(Unavailable(f"Zoho's answer about {source} is not what it should be.", source=source))
        return data

    return judge


def _all_objects(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def _failure(answer: Answer, source: str, asked: Collection[str], clock: Clock) -> Exception:
    said = _error(answer.data)
    code = _word(said.get("code"))
    about = f"{source} ({answer.status}{' ' + code if code else ''})"
    if code == "OAUTH_SCOPE_MISMATCH":
        text = f"The connection to Zoho was not given the right to read {about}: it has to be granted anew."
        return CredentialsRefused(text, code=code, source=source)
    if answer.status == 401:
        return TokenRefused(f"Zoho refuses the access token for {about}.", code=code or "401", source=source)
    if answer.status == 403:
        return NotPermitted(f"Zoho does not permit to read {about}.", code=code, source=source)
    if answer.status == 429:
        error = LimitReached(f"Zoho takes no more calls: {about}.", code=code, source=source, again_at=clock() + _LIMIT)
        return Again(error, wait=retry_after(answer))
    if answer.status == 404:
        return NotThere(f"Zoho does not know {about}.", code=code, source=source)
    return _of_400(said, code, about, source, asked)


def _of_400(said: dict[str, Any], code: str, about: str, source: str, asked: Collection[str]) -> ConnectorError:
    details = said.get("details")
    names = [name for name in (details.values() if isinstance(details, dict) else ()) if name in [*asked]]
    if code == "INVALID_DATA" and names:
        return NotThere(f"Zoho has no field {names[0]} for us in {about}.", code=code, source=source)
    kind, words = _OF_400.get(code, (Misconfigured, "refuses how it was asked"))
    return kind(f"Zoho {words}: {about}.", code=code, source=source)


def _error(data: Any) -> dict[str, Any]:
    """The error object, which stands alone or wrapped in a list like records."""
    rows = data.get("data") if isinstance(data, dict) else None
    found = rows[0] if isinstance(rows, list) and rows else data
    return found if isinstance(found, dict) else {}


def _word(code: Any) -> str:
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def granted(clock: Clock) -> Callable[[Answer], Token]:
    """A judge of answers about tokens. They succeed if there is a token, whatever the status says."""
    asked_at = clock()

    def judge(answer: Answer) -> Token:
        data = answer.data if isinstance(answer.data, dict) else {}
        value = data.get("access_token")
        if isinstance(value, str) and value:
            names = ("api_domain", "refresh_token")  # the second only with a code
            details = {name: data[name] for name in names if isinstance(data.get(name), str)}
            return Token(value, asked_at + _lifetime(data), details)
        if answer.status == 429:
            raise Again(_too_many_tokens(clock, "429"), wait=retry_after(answer))
        code = _word(data.get("error"))
        if code == "Access Denied":
            raise _too_many_tokens(clock, code)
        if not code:
            raise Again(Unavailable("Zoho's answer to the request for a token is not what it should be."))
        raise CredentialsRefused(f"Zoho refuses the credentials of this connection: {code}.", code=code)

    return judge


def revoked(answer: Answer) -> None:
    """A judge of the answer to a revocation; what is no longer known needs none."""
    if answer.status == 429:
        raise Again(Unavailable("Zoho takes no more calls for now."), wait=retry_after(answer))


def _too_many_tokens(clock: Clock, code: str) -> LimitReached:
    return LimitReached("Zoho gives out no more tokens for now.", code=code, again_at=clock() + _TOO_MANY_TOKENS)


def _lifetime(data: dict[str, Any]) -> dt.timedelta:
    """An old form says ``expires_in`` in milliseconds, and the seconds apart; nothing lasts longer than a day."""
    said = data.get("expires_in")
    seconds = float(said) if isinstance(said, int) and not isinstance(said, bool) and said > 0 else 3600.0
    return dt.timedelta(seconds=seconds / 1000 if "expires_in_sec" in data or seconds > _DAY else seconds)

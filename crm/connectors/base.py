"""What every connector offers, and the words in which all of them fail. Plain.

A connector knows one CRM's way of speaking and nothing of ours: it tests a connection, tells which fields there are,
and pages through an object's rows by a cursor. What is read is mapped onto the kinds of crm/kinds.py and stored
elsewhere. A connector never keeps what it read, never sleeps longer than its patience, and never says a secret.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from crm.kinds import Type

# --- what is read ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SourceField:
    """A field of an object as the CRM describes it; ``choices`` are (stored value, shown label)."""

    name: str
    label: str
    type: str  # in the CRM's own word
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Row:
    """One record. ``modified_at`` is the CRM's own clock, aware, UTC; ``raw`` is the record as it came."""

    external_id: str
    modified_at: dt.datetime | None
    raw: Mapping[str, Any]
    gone: bool = False


@dataclass(frozen=True)
class Page:
    """Some rows, and where to go on after them: an opaque text, None after the last page."""

    rows: Sequence[Row]
    cursor: str | None


@dataclass(frozen=True)
class Source:
    """Where facts of a kind come from: an object of the CRM, and which of its fields is which of ours.

    fields: our name -> theirs. choices: our name -> {their stored value -> our word}, for fields of Type.CHOICE and
    Type.YES ("yes", "no"). fixed: our name -> a value that holds for every row of this object, as neutral text.
    """

    object: str
    fields: Mapping[str, str]
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class About:
    """Whom a connection reaches, for the person who tests it."""

    organisation: str
    currency: str = ""
    time_zone: str = ""
    notes: tuple[str, ...] = ()  # what she should know, such as a permission that is missing


@dataclass
class Tally:
    """What a run cost, counted while it runs."""

    calls: int = 0
    retries: int = 0
    tokens: int = 0  # how often one was asked for
    credits_left: int | None = None
    errors: list[str] = field(default_factory=list)  # first and last are kept by the run's record


class Connector(Protocol):
    """One connection to one CRM, for one run."""

    tally: Tally

    def test(self) -> About:
        """One cheap call that needs the credentials, and whom it reached."""

    def fields(self, source: str) -> list[SourceField]:
        """The fields of one of the CRM's objects, all pages of them."""

    def pages(
        self, source: str, *, fields: Sequence[str], since: dt.datetime | None, cursor: str | None
    ) -> Iterator[Page]:
        """Rows of an object that changed at or after ``since`` (all of them for None), in a stable order.

        With ``cursor`` it goes on after the page that gave it. Ids and times of change are read besides ``fields``.
        A row may come twice, the newer later. Raises CursorExpired, PagingLoop and the other failures below.
        """

    def gone(self, source: str, *, since: dt.datetime | None) -> Iterator[list[str]]:
        """Ids the CRM says were deleted at or after ``since``; nothing where it has no such list."""

    def ids(self, source: str) -> Iterator[list[str]]:
        """Ids of all records there are, for the weekly sweep that finds what vanished silently."""

    def close(self) -> None:
        """Let go of what it holds open."""

    def value(self, raw: Any, wanted: Type) -> Any:
        """A raw value as ours, None for none. Raises ValueError for one that cannot be read."""


# --- how it fails ----------------------------------------------------------------------------------------


class ConnectorError(Exception):
    """Something a connection could not do; ``code`` is the CRM's own, ``source`` the object it was about.

    Messages are for people and logs: they hold no token, no secret, and no address with a query.
    """

    def __init__(self, message: str, *, code: str = "", source: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.source = source


class CredentialsRefused(ConnectorError):
    """The CRM does not let this connection in, or not with these rights: an administrator has to act."""


class NotPermitted(ConnectorError):
    """One object may not be read; the others may."""


class NotThere(ConnectorError):
    """An object or a field of the mapping does not exist: the mapping has to be mended."""


class LimitReached(ConnectorError):
    """No more calls for now. ``again_at`` says when it is worth trying, None where the CRM does not."""

    def __init__(self, message: str, *, code: str = "", source: str = "", again_at: dt.datetime | None = None) -> None:
        super().__init__(message, code=code, source=source)
        self.again_at = again_at


class Unavailable(ConnectorError):
    """No whole answer came, however often it was asked: down, too slow, cut off, or not what it should be."""


class CursorExpired(ConnectorError):
    """A cursor is no longer known: the object starts again from its watermark."""


class PagingLoop(ConnectorError):
    """The same page came again: stopped rather than read for ever."""


class Misconfigured(ConnectorError):
    """The CRM refuses how it was asked, or an address is not one that may be called."""


# --- tokens ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Token:
    """A short-lived access token. Never logged: ``repr`` hides it."""

    value: str = field(repr=False)
    expires_at: dt.datetime
    details: Mapping[str, str] = field(default_factory=dict, repr=False)  # what came with it, such as the API's host


class Tokens(Protocol):
    """Where all workers of one connection share their token: CRMs throttle those who ask for one each."""

    def get(self) -> Token | None:
        """The token kept, whether or not it is still good."""

    def put(self, token: Token) -> None: ...

    def lock(self) -> AbstractContextManager[None]:
        """Held by the one worker that asks for a new token; the others wait, then find it kept."""

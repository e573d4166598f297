"""How a line of the log looks, what it is about, and what never stands in it.

Every line says which request and person, or which job, it belongs to. One record is one line, as far as a reader can
tell: what people typed can hold line breaks and escape codes, so they are written out as \\n and \\x1b.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from django.http import HttpRequest, HttpResponse
from pythonjsonlogger.json import JsonFormatter as AnyJsonFormatter

access = logging.getLogger("riskreg.access")

_about: ContextVar[Mapping[str, Any]] = ContextVar("about", default=MappingProxyType({}))
_ACCESS_FIELDS = ("method", "path", "status", "ms")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# API tokens, and signed links, which open a door for whoever reads them.
_SECRETS = re.compile(r"(?<=\brr_)[a-z0-9]{8}_[\w-]{20,}|[\w-]{8,}\.[\w-]{43}(?![\w-])", re.ASCII)


@contextmanager
def about(**values: Any) -> Iterator[None]:
    """Lines written inside say these things, too: ``request_id``, ``user_id``, ``job_id``, ``job_kind``."""
    token = _about.set({**_about.get(), **values})
    try:
        yield
    finally:
        _about.reset(token)


def note(**values: Any) -> None:
    """As ``about``, for what becomes known while a request is answered; it holds until the next one."""
    _about.set({**_about.get(), **values})


def each_request(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Gives each request a number, which the answer names in X-Request-ID, and a line in the log.

    A number sent by the browser counts for nothing. The query string is left out: searches and secrets stand there.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        began = time.monotonic()
        request_id = uuid.uuid4().hex
        # Until the thread's next request: Django's own line about a refused one comes after all middleware.
        _about.set({"request_id": request_id})
        response = get_response(request)
        fields = {
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "ms": round((time.monotonic() - began) * 1000),
        }
        access.info("%(method)s %(path)s %(status)d, %(ms)d ms", fields, extra=fields)
        response.headers["X-Request-ID"] = request_id
        return response

    return middleware


class TextFormatter(logging.Formatter):
    """``2030-03-01T12:00:00.000Z INFO riskreg.access GET / 200, 12 ms (request_id=… user_id=5)``"""

    def format(self, record: logging.LogRecord) -> str:
        said = f"{_utc(record)} {record.levelname} {record.name} {record.getMessage()}"
        context = " ".join(f"{name}={value}" for name, value in _about.get().items())
        line = _one_line(f"{said} ({context})" if context else said)
        # Indented, a traceback cannot be taken for lines of their own, whatever the message of the exception.
        trace = "".join(f"\n    {_one_line(part)}" for part in _trace(self, record).split("\n") if part)
        return _without_secrets(line + trace)


class JsonFormatter(AnyJsonFormatter):
    """One object on one line. Only fields named here: others' extras hold whole requests."""

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data.update(
            time=_utc(record), level=record.levelname, logger=record.name, message=record.getMessage(), **_about.get()
        )
        log_data.update({name: vars(record)[name] for name in _ACCESS_FIELDS if name in vars(record)})
        if trace := _trace(self, record):
            log_data["trace"] = trace

    def format(self, record: logging.LogRecord) -> str:
        return _without_secrets(super().format(record))


def _utc(record: logging.LogRecord) -> str:
    at = dt.datetime.fromtimestamp(record.created, tz=dt.UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


def _one_line(text: str) -> str:
    return _UNPRINTABLE.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def _without_secrets(text: str) -> str:
    return _SECRETS.sub("…", text)

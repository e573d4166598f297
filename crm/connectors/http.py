"""How every connector calls: only places that may be called, within bounds, and again where that may help.

An answer that is cut off, is no JSON, or never comes is asked for again with growing waits, and is Unavailable in the
end. What an answer of the CRM means is for the connector's ``judge`` to say. Nothing that is raised here holds an
address with its query, a header or a body, and no library's exception is passed on: theirs may.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import httpcore
import httpx
import tenacity

from crm.connectors.base import ConnectorError, Misconfigured, Tally, Unavailable
from riskreg import outside

T = TypeVar("T")
Clock = Callable[[], dt.datetime]
Sleep = Callable[[float], None]
Ticks = Callable[[], float]
Params = Mapping[str, str]

logging.getLogger("httpx").setLevel(logging.WARNING)  # below that it writes every address with its query
logging.getLogger("httpcore").setLevel(logging.WARNING)  # below that it writes what came with an answer


@dataclass(frozen=True)
class Limits:
    connect: float = 10.0  # seconds
    silence: float = 30.0  # seconds without a byte
    total: float = 120.0  # seconds from the first byte sent to the last one read
    size: int = 32 * 1024 * 1024  # bytes of an answer, unpacked
    tries: int = 5
    first_wait: float = 2.0  # seconds before the second try; doubled for each further one, with jitter
    longest_wait: float = 60.0  # what has to wait longer is given up for now
    apart: float = 0.0  # seconds between the beginnings of two calls


DEFAULT = Limits()


@dataclass(frozen=True)
class Answer:
    """``data`` is the JSON of the body, numbers with a point as Decimal; None for an empty body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    data: Any = field(repr=False)
    readable: bool = True  # whether the body was empty or JSON


class Again(Exception):
    """Said by a judge: worth another try, after ``wait`` seconds if the CRM says so; ``error`` if that never helps."""

    def __init__(self, error: ConnectorError, *, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


Judge = Callable[[Answer], T]


def origin(url: str | httpx.URL) -> str:
    """``https://host:443`` of an address. Raises Misconfigured for what is no plain web address."""
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        parts = httpx.URL("")
    if parts.scheme not in {"http", "https"} or not parts.host or parts.userinfo:
        raise Misconfigured("This is no web address that may be called.")
    return f"{parts.scheme}://{parts.host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


class Http:
    """Calls to one CRM. ``bases`` are the public addresses of its clouds.

    ``own`` are base addresses an administrator of this machine added: they may be private and without encryption, as
    the fakes are. No other address is called, and of the bases none that is not public when it is connected to.
    """

    def __init__(
        self,
        bases: Collection[str],
        *,
        tally: Tally,
        sleep: Sleep = time.sleep,
        ticks: Ticks = time.monotonic,
        own: Collection[str] = (),
        limits: Limits = DEFAULT,
        resolve: outside.Resolve | None = None,
    ) -> None:
        self._own = frozenset(map(origin, own))
        self._places = self._own | frozenset(map(origin, bases))
        self._tally = tally
        self._sleep = sleep
        self._limits = limits
        self._deadline = _Deadline()
        self._pace = _Pace(limits.apart, sleep, ticks)
        network = _CheckedNetwork(self._own, limits, self._deadline, resolve)
        self._client = httpx.Client(
            transport=_Transport(network),
            timeout=httpx.Timeout(limits.silence, connect=limits.connect),
            headers={"User-Agent": "riskreg", "Accept": "application/json", "Accept-Encoding": "gzip"},
            follow_redirects=False,
            trust_env=False,  # no proxy and no password file of the machine
        )

    def close(self) -> None:
        self._client.close()

    def call(
        self,
        method: str,
        url: str,
        *,
        judge: Judge[T],
        headers: Mapping[str, str] | None = None,
        params: Params | Callable[[], Params] | None = None,  # a callable is asked anew for every try
        form: Mapping[str, str] | None = None,
        body: Any = None,  # sent as JSON
        lane: str = "",  # calls of one lane are kept apart from each other
    ) -> T:
        """What the judge makes of the answer; it is not asked about redirects, 5xx and a 2xx that is no JSON."""
        headers = headers or {}
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise Misconfigured("A header of this call cannot be sent: its value holds characters it may not hold.")
        if origin(url) not in self._places:
            raise Misconfigured("This address is not one of the CRM's, and is not called.")
        where = f"{httpx.URL(url).host}{httpx.URL(url).path}"

        def once() -> T:
            asked = params() if callable(params) else params
            request = self._client.build_request(method, url, headers=headers, params=asked, data=form, json=body)
            self._pace.wait(lane)
            self._tally.calls += 1
            return self._judged(self._sent(request, where), where, judge)

        failed: ConnectorError
        try:
            return self._patience()(once)
        except Again as again:
            failed = again.error
        raise failed  # here, so that nothing it came from hangs on it

    def _patience(self) -> tenacity.Retrying:
        limits = self._limits
        growing = tenacity.wait_exponential_jitter(multiplier=limits.first_wait, max=limits.longest_wait, jitter=1.0)

        def wait(state: tenacity.RetryCallState) -> float:
            said = _again(state).wait
            return growing(state) if said is None else said

        def stop(state: tenacity.RetryCallState) -> bool:
            return state.attempt_number >= limits.tries or (_again(state).wait or 0.0) > limits.longest_wait

        def note(state: tenacity.RetryCallState) -> None:
            self._tally.retries += 1
            self._tally.errors.append(str(_again(state).error))

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Again),
            stop=stop,
            wait=wait,
            sleep=self._sleep,
            before_sleep=note,
            reraise=True,
        )

    def _judged(self, answer: Answer, where: str, judge: Judge[T]) -> T:
        if 300 <= answer.status < 400 and answer.status != 304:
            raise Misconfigured(f"{where} sends elsewhere, which is not followed.")
        if answer.status >= 500:
            raise Again(Unavailable(f"{where} answered {answer.status}."), wait=retry_after(answer))
        if not answer.readable and answer.status < 400:
            raise Again(Unavailable(f"{where} answered with something that is not whole JSON."))
        return judge(answer)

    def _sent(self, request: httpx.Request, where: str) -> Answer:
        why = ""
        try:
            with self._deadline.within(self._limits.total):
                response = self._client.send(request, stream=True)
                try:
                    text = self._body(response)
                finally:
                    response.close()
                data, readable = _json(text)
                return Answer(response.status_code, response.headers, data, readable)
        except _TooLong:
            why = "answered with more than may be read"
        except (httpcore.TimeoutException, httpx.TimeoutException):
            why = "did not answer in time"
        except (httpcore.ConnectError, httpx.ConnectError):
            why = "could not be reached"
        except (*_BROKEN, httpx.HTTPError, httpx.StreamError, OSError, ssl.SSLError):
            why = "broke off its answer"
        # Outside the handlers: an exception of theirs may show what was sent, and would hang on ours.
        raise Again(Unavailable(f"{where} {why}."))

    def _body(self, response: httpx.Response) -> bytes:
        parts, size = [], 0
        for part in response.iter_bytes():
            size += len(part)
            if size > self._limits.size:
                raise _TooLong
            parts.append(part)
        return b"".join(parts)


_BROKEN = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, httpcore.UnsupportedProtocol)


class _TooLong(Exception):
    pass


def _again(state: tenacity.RetryCallState) -> Again:
    said = state.outcome.exception() if state.outcome else None
    return said if isinstance(said, Again) else Again(Unavailable("No answer."))


def retry_after(answer: Answer) -> float | None:
    """Seconds the answer asks to wait, where it does so with a number."""
    said = answer.headers.get("Retry-After", "")
    return float(said) if said.isascii() and said.isdigit() and len(said) < 7 else None


def _json(text: bytes) -> tuple[Any, bool]:
    if not text.strip():
        return None, True
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number), True
    except (ValueError, RecursionError):
        return None, False


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


# --- underneath ------------------------------------------------------------------------------------------


class _Deadline:
    """When the call of this thread has to be over: the library knows only how long one read may take."""

    def __init__(self) -> None:
        self._of_thread = threading.local()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        self._of_thread.at = time.monotonic() + seconds
        try:
            yield
        finally:
            self._of_thread.at = None

    def left(self, timeout: float | None) -> float | None:
        at = getattr(self._of_thread, "at", None)
        if at is None:
            return timeout
        left = at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the whole time is over")
        return float(left) if timeout is None else min(timeout, left)


class _Pace:
    """Keeps calls of one lane apart, whichever thread makes them."""

    def __init__(self, apart: float, sleep: Sleep, ticks: Ticks) -> None:
        self._apart = apart
        self._sleep = sleep
        self._ticks = ticks
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}

    def wait(self, lane: str) -> None:
        if not self._apart:
            return
        with self._lock:
            now = self._ticks()
            turn = max(now, self._next.get(lane, now))
            self._next[lane] = turn + self._apart
        if turn > now:
            self._sleep(turn - now)


class _CheckedNetwork(httpcore.NetworkBackend):
    """Connects to an address that was checked, not to a name that may mean something else a moment later."""

    def __init__(
        self, own: Collection[str], limits: Limits, deadline: _Deadline, resolve: outside.Resolve | None
    ) -> None:
        self._allowed = [entry.partition("://")[2] for entry in own]
        self._limits = outside.Limits(connect=limits.connect, total=limits.connect)
        self._deadline = deadline
        self._resolve = resolve
        self._system = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        name = f"[{host}]" if ":" in host else host
        try:
            place = outside.check(
                f"https://{name}:{port}", allowed_hosts=self._allowed, limits=self._limits, resolve=self._resolve
            )
        except outside.Failed:
            raise httpcore.ConnectError("the name is not known") from None
        except outside.Refused:
            raise Misconfigured(f"{host} is not a public address, and is not called.") from None
        failed: Exception = httpcore.ConnectError("no address")
        for address in place.addresses:
            try:
                return self._open(address, port, timeout, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    def _open(
        self, address: str, port: int, timeout: float | None, socket_options: Iterable[Any] | None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout)
        return _Bounded(
            self._system.connect_tcp(address, port, timeout=left, socket_options=socket_options), self._deadline
        )


class _Bounded(httpcore.NetworkStream):
    """A connection on which nothing takes longer than the call it belongs to."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout)
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


@functools.cache
def _tls() -> ssl.SSLContext:
    """One for all: reading the certificates takes longer than many a call."""
    return ssl.create_default_context()


class _Transport(httpx.BaseTransport):
    """httpx over connections of ours: its own transport takes no network."""

    def __init__(self, network: httpcore.NetworkBackend) -> None:
        self._pool = httpcore.ConnectionPool(ssl_context=_tls(), network_backend=network)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Stream(answer), extensions=answer.extensions
        )

    def close(self) -> None:
        self._pool.close()


class _Stream(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()

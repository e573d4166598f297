"""The one guarded way to call an address that a person typed.

Whoever may type an address could otherwise have this machine call others that only it can reach. A look at the name
is no protection, because a name may mean something else a moment later: here it is resolved once, every address it
has is checked, and the connection goes to an address that was checked (docs/decisions.md, Addresses people type).
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote, urlsplit

from django.utils.translation import gettext as _

# What is_global of Python 3.11 takes for public although it leads, or can be made to lead, to somewhere else.
_DOORS_TO_ELSEWHERE = [
    ip_network(network)
    for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "192.88.99.0/24")
]
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_USUAL_PORTS = {"http": 80, "https": 443}

Resolve = Callable[[str, int], list[str]]


class Refused(Exception):
    """This address is not called; the message tells a person why."""


class Failed(Exception):
    """The address was called, or should have been, and there is no whole answer; the message tells a person why."""


@dataclass(frozen=True)
class Limits:
    connect: float = 5.0  # seconds, over all addresses of the name
    total: float = 10.0  # seconds, from the look-up of the name to the last byte
    answer: int = 64 * 1024  # bytes of the body


DEFAULT = Limits()


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


@dataclass(frozen=True)
class Place:
    """A checked URL: where to connect, and what to ask for."""

    scheme: str
    host: str  # as certificates know it: ASCII, lower case, no brackets
    port: int
    target: str
    addresses: list[str] = field(default_factory=list)  # all of them checked


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    allowed_hosts: Collection[str] = (),
    limits: Limits = DEFAULT,
    resolve: Resolve | None = None,
) -> Answer:
    """POST to an address that a person typed. Any status is an answer; a redirect is not followed.

    ``allowed_hosts`` are entries "host" or "host:port" of an administrator: they may be private, and "host" may have
    any port. Raises Refused when the address may not be called, and Failed when no whole answer came in time.
    """
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        raise ValueError("A header's value is not printable ASCII.")  # without the value: it may be a secret
    deadline = time.monotonic() + limits.total
    place = check(url, allowed_hosts=allowed_hosts, limits=limits, resolve=resolve)
    with _closed_at(deadline) as guard:
        try:
            guard.watch(_connect(place, min(deadline, time.monotonic() + limits.connect)))
            if place.scheme == "https":
                guard.watch(_with_tls(guard.held, place.host))
            answer = _exchange(guard.held, place, body, headers, limits)
        except ssl.SSLCertVerificationError as error:
            raise Failed(_("Its certificate is not valid: %(why)s.") % {"why": error.verify_message}) from error
        except http.client.HTTPException as error:  # without its message, which repeats what was answered
            if not guard.is_over:
                raise Failed(_("The answer is broken, or no HTTP.")) from error
        except OSError as error:
            if not guard.is_over:
                raise Failed(_("The connection failed: %(why)s.") % {"why": error.strerror or error}) from error
        if guard.is_over:  # also where the broken-off answer looked like a whole one
            raise _too_late(limits)
        return answer


def check(
    url: str, *, allowed_hosts: Collection[str] = (), limits: Limits = DEFAULT, resolve: Resolve | None = None
) -> Place:
    """Where the URL leads, if it may be called now; for forms, too. Raises Refused, and Failed for an unknown name."""
    place = _read(url)
    names = {place.host, f"{place.host}:{place.port}", f"[{place.host}]", f"[{place.host}]:{place.port}"}
    is_allowed = not names.isdisjoint(entry.strip().lower() for entry in allowed_hosts)
    if place.port not in _USUAL_PORTS.values() and not is_allowed:
        raise Refused(_("Only the ports 80 and 443 may be called."))
    addresses = _within(limits, lambda: (resolve or _look_up)(place.host, place.port))
    if not addresses:
        raise Failed(_("The name %(host)s is not known.") % {"host": place.host})
    if not is_allowed and not all(map(is_public, addresses)):
        raise Refused(_("%(host)s is not a public address. An administrator can allow it.") % {"host": place.host})
    return Place(place.scheme, place.host, place.port, place.target, addresses)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet at large, and not to this machine, its network or a tunnel."""
    if "%" in address:  # a zone: an address of one network card
        return False
    ip: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        return False
    return not any(ip in network for network in _DOORS_TO_ELSEWHERE if network.version == ip.version)


def _read(url: str) -> Place:
    if any(character <= " " or character in {"\x7f", "\\"} for character in url):
        raise Refused(_("The address may hold no spaces, control characters or backslashes."))
    try:
        parts = urlsplit(url)
        port = parts.port
        # Whatever a name may be written with (full-width digits, other dots) is brought to what is looked up.
        host = (parts.hostname or "").encode("idna").decode().lower().removesuffix(".")
    except ValueError as error:  # UnicodeError is one
        raise Refused(_("This is no web address.")) from error
    if parts.scheme not in _USUAL_PORTS:
        raise Refused(_("The address must begin with https:// or http://."))
    if "@" in parts.netloc:
        raise Refused(_("The address may hold no user name and no password."))
    if "#" in url:
        raise Refused(_("The address may hold no part after #."))
    if port == 0 or not _HOST.fullmatch(host):
        raise Refused(_("This is no web address."))
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return Place(parts.scheme, host, port or _USUAL_PORTS[parts.scheme], target)


def _look_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(sockaddr[0]) for *_rest, sockaddr in found))


def _within(limits: Limits, look_up: Callable[[], list[str]]) -> list[str]:
    """The system's resolver knows no time-out of ours, so it is waited for from outside."""
    answers: list[list[str]] = []
    thread = threading.Thread(target=lambda: answers.append(look_up()), name="resolver", daemon=True)
    thread.start()
    thread.join(limits.total)
    if thread.is_alive():
        raise _too_late(limits)
    return answers[0] if answers else []


def _too_late(limits: Limits) -> Failed:
    return Failed(_("No whole answer within %(seconds)g seconds.") % {"seconds": limits.total})


def _connect(place: Place, deadline: float) -> socket.socket:
    error: OSError = TimeoutError()
    for address in place.addresses:
        if (left := deadline - time.monotonic()) <= 0:
            break
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(left)
        try:
            connection.connect((address, place.port))
        except OSError as failed:
            connection.close()
            error = failed
        else:
            return connection
    if isinstance(error, TimeoutError):
        raise Failed(_("It does not answer.")) from error
    raise error


def _with_tls(connection: socket.socket, host: str) -> socket.socket:
    """Not yet greeted: the guard must hold the new socket before anything is waited for."""
    context = ssl.create_default_context()
    return context.wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)


def _exchange(
    connection: socket.socket, place: Place, body: bytes, headers: Mapping[str, str], limits: Limits
) -> Answer:
    connection.settimeout(None)  # the guard ends every wait
    if isinstance(connection, ssl.SSLSocket):
        connection.do_handshake()
    request = http.client.HTTPConnection(place.host, place.port)
    request.default_port = _USUAL_PORTS[place.scheme]  # decides whether Host names the port
    request.auto_open = 0  # it must never connect by itself
    request.sock = connection
    request.request("POST", place.target, body=body, headers={**headers, "Connection": "close"})
    with request.getresponse() as response:
        text = response.read(limits.answer + 1)
        if len(text) > limits.answer:
            raise Failed(_("The answer is longer than %(most)d kB.") % {"most": limits.answer // 1024})
        # A body broken off by our own deadline looks like one that has ended.
        if response.length:
            raise http.client.IncompleteRead(text, response.length)
        return Answer(response.status, text)


class _Guard:
    """Closes the socket in its care when the time is over: a time-out alone never ends an answer that drips."""

    def __init__(self) -> None:
        self.is_over = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    @property
    def held(self) -> socket.socket:
        assert self._socket is not None  # noqa: S101 - for the type checker
        return self._socket

    def watch(self, connection: socket.socket) -> None:
        with self._lock:
            self._socket = connection
            if self.is_over:
                connection.close()

    def end(self) -> None:
        with self._lock:
            self.is_over = True
            if self._socket is not None:
                # Not SSLSocket.shutdown, which takes the encryption away from under the thread that reads.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()


@contextlib.contextmanager
def _closed_at(deadline: float) -> Iterator[_Guard]:
    guard = _Guard()
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), guard.end)
    timer.daemon = True
    timer.start()
    try:
        yield guard
    finally:
        timer.cancel()
        guard.close()

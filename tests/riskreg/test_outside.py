"""No address that a person types leads inside, and no server at its end can hold a worker or fill its memory.

The servers are real ones on this machine. Only the resolver is ours where a name must mean something.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from riskreg import outside
from riskreg.outside import Answer, Failed, Limits, Refused, post

QUICK = Limits(connect=0.3, total=0.4, answer=1024)
GIVEN_UP = 8  # seconds, after which a server lets go of a client that should have left long before
PUBLIC = "93.184.216.34"


class Server:
    """Answers one after the other with what ``behave`` writes; notes every request that reached it."""

    def __init__(self, behave: Callable[[BaseHTTPRequestHandler], None], tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.stop = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            stop = self.stop

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.seen.append((self.path, dict(self.headers), body))
                behave(self)

            def log_message(self, *_args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.handle_error = lambda *_args: None  # type: ignore[method-assign]  # clients that leave are meant
        if tls:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_address[1]
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def start(behave: Callable[[BaseHTTPRequestHandler], None], tls: ssl.SSLContext | None = None) -> Server:
        running.append(Server(behave, tls))
        return running[-1]

    yield start
    for server in running:
        server.end()


def ok(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "4")
    request.end_headers()
    request.wfile.write(b"fine")


def send(url: str, **more: object) -> Answer:
    more.setdefault("limits", QUICK)
    return post(url, body=b"{}", headers={"X-Test": "yes"}, **more)  # type: ignore[arg-type]


def to(*addresses: str) -> Callable[[str, int], list[str]]:
    return lambda host, port: list(addresses)


# --- what is refused -------------------------------------------------------------------------------------

HOSTILE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",  # decimal
    "http://017700000001/",  # octal
    "http://0177.0.0.1/",
    "http://0x7f000001/",  # hex
    "http://0x7f.0x0.0x0.0x1/",
    "http://0.0.0.0/",
    "http://0/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://192.88.99.1/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",  # mapped
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",  # compatible, of old
    "http://[64:ff9b::7f00:1]/",  # NAT64
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]/",  # 6to4
    "http://[2001:0:7f00:1::]/",  # Teredo
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://[fe80::1%25lo]/",
    "http://１２７.０.０.１/",  # full-width digits
    "http://127。0。0。1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://ⓛocalhost/",
    "http://user:password@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1#@example.com/",
    "http://example.com#fragment",
    "http://127.0.0.1\\@example.com/",
    "http://example.com/ HTTP/1.1\r\nX: y",
    "http:// 127.0.0.1/",
    "http:\t//127.0.0.1/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "//example.com/",
    "example.com",
    "http://",
    "http:///path",
    "http://[::1/",
    "http://[127.0.0.1]/",
    "http://example.com:0/",
    "http://example.com:99999/",
    "http://example.com:22/",
    "http://example.com:８０/",
    "http://exa mple.com/",
    "",
]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_address_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "_connect", lambda *_args: pytest.fail("a connection was tried"))
    with pytest.raises(Refused) as refused:
        send(url)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("inside", ["127.0.0.1", "::1", "10.1.2.3", "::ffff:10.1.2.3", "fe80::1%eth0"])
def test_one_inner_address_among_public_ones_is_enough(inside: str) -> None:
    with pytest.raises(Refused, match=r"^hooks\.example is not a public address\. An administrator can allow it\.$"):
        send("https://hooks.example/", resolve=to(PUBLIC, inside))


def test_public_addresses_are_public() -> None:
    public = (PUBLIC, "8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8")
    assert {address: outside.is_public(address) for address in public} == dict.fromkeys(public, True)


def test_a_name_that_changes_its_mind_is_asked_once(serve: Callable[..., Server]) -> None:
    server = serve(ok)
    answers = [["127.0.0.1"], [PUBLIC]]  # from the second question on it would lead to the server
    asked = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return answers.pop()

    connected: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", lambda self, address: connected.append(address) or _no_way())
        with pytest.raises(Failed, match=r"^The connection failed: "):
            send("http://rebind.example/", resolve=rebinding)
    assert (asked, connected, server.seen) == ([("rebind.example", 80)], [(PUBLIC, 80)], [])


def _no_way() -> None:
    raise OSError(101, "Network is unreachable")


def test_a_redirect_inward_is_just_its_status(serve: Callable[..., Server]) -> None:
    inner = serve(ok)

    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(307)
        request.send_header("Location", f"http://127.0.0.1:{inner.port}/")
        request.send_header("Content-Length", "0")
        request.end_headers()

    server = serve(redirect)
    answer = send(f"http://127.0.0.1:{server.port}/", allowed_hosts=["127.0.0.1"])
    assert (answer, len(server.seen), inner.seen) == (Answer(307, b""), 1, [])


# --- what is allowed -------------------------------------------------------------------------------------


def test_an_allowed_host_gets_what_was_sent(serve: Callable[..., Server]) -> None:
    server = serve(ok)
    answer = post(
        f"http://crm.intern:{server.port}/hook/wörd?a=1&b=ü",
        body=b'{"a": 1}',
        headers={"Content-Type": "application/json", "X-Signature": "abc"},
        allowed_hosts=[f"CRM.intern:{server.port}"],
        resolve=to("127.0.0.1"),
    )
    assert answer == Answer(200, b"fine")
    [(path, headers, body)] = server.seen
    assert (path, body) == ("/hook/w%C3%B6rd?a=1&b=%C3%BC", b'{"a": 1}')
    assert headers == {
        "Host": f"crm.intern:{server.port}",
        "Accept-Encoding": "identity",
        "Content-Length": "8",
        "Content-Type": "application/json",
        "X-Signature": "abc",
        "Connection": "close",
    }


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.1:8080", " 127.0.0.1 "])
def test_an_entry_allows_its_host(entry: str) -> None:
    place = outside.check("http://127.0.0.1:8080/", allowed_hosts=[entry])
    assert (place.host, place.port, place.addresses) == ("127.0.0.1", 8080, ["127.0.0.1"])


@pytest.mark.parametrize("entry", ["127.0.0.1:8081", "127.0.0.2", "localhost", "127.0.0", ""])
def test_an_entry_allows_nothing_else(entry: str) -> None:
    with pytest.raises(Refused):
        outside.check("http://127.0.0.1:8080/", allowed_hosts=[entry])


@pytest.mark.parametrize("entry", ["[::1]:8080", "[::1]", "::1"])
def test_an_entry_may_be_an_ipv6_address(entry: str) -> None:
    assert outside.check("http://[::1]:8080/", allowed_hosts=[entry]).addresses == ["::1"]


def test_a_public_address_needs_no_entry() -> None:
    place = outside.check("https://Bücher.Example./a?b", resolve=to(PUBLIC))
    assert (place.scheme, place.host, place.port, place.target) == ("https", "xn--bcher-kva.example", 443, "/a?b")


def test_no_proxy_of_the_environment_is_asked(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = serve(ok), serve(ok)
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    send(f"http://127.0.0.1:{server.port}/", allowed_hosts=["127.0.0.1"])
    assert (len(proxy.seen), len(server.seen)) == (0, 1)


def test_the_next_address_is_tried_when_one_does_not_answer(serve: Callable[..., Server]) -> None:
    server = serve(ok)
    answer = send(f"http://crm.intern:{server.port}/", allowed_hosts=["crm.intern"], resolve=to("::1", "127.0.0.1"))
    assert answer.status == 200


def test_a_header_cannot_smuggle_in_another() -> None:
    with pytest.raises(ValueError, match=r"^A header's value is not printable ASCII\.$"):
        post("https://hooks.example/", body=b"", headers={"X": "y\r\nHost: z"})


# --- what goes wrong at the other end --------------------------------------------------------------------


def drip(first: bytes, then: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def behave(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(first)
        given_up = time.monotonic() + GIVEN_UP
        while time.monotonic() < given_up and not request.stop.wait(0.02):  # type: ignore[attr-defined]
            request.wfile.write(then)

    return behave


def hang(request: BaseHTTPRequestHandler) -> None:
    request.stop.wait(GIVEN_UP)  # type: ignore[attr-defined]


SLOW = {
    "hangs": hang,
    "drips its headers": drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "drips one header": drip(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "drips a body of known length": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
    "drips a body without an end": drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "drips chunks": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "says Continue for ever": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_answer_ends_at_the_deadline(name: str, serve: Callable[..., Server]) -> None:
    server = serve(SLOW[name])
    began = time.monotonic()
    with pytest.raises(Failed, match=r"^No whole answer within 0\.4 seconds\.$"):
        send(f"http://127.0.0.1:{server.port}/", allowed_hosts=["127.0.0.1"])
    assert 0.35 < time.monotonic() - began < 5


def test_a_greeting_that_never_comes_ends_at_the_deadline() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(Failed, match=r"^No whole answer within 0\.4 seconds\.$"):
            send(f"https://127.0.0.1:{port}/", allowed_hosts=["127.0.0.1"])


def test_a_resolver_that_hangs_ends_at_the_deadline() -> None:
    stop = threading.Event()
    with pytest.raises(Failed, match=r"^No whole answer within 0\.4 seconds\.$"):
        send("http://slow.example/", resolve=lambda host, port: [PUBLIC] if stop.wait(30) else [])
    stop.set()


def test_a_connection_nobody_takes_ends_in_time() -> None:
    with closing(socket.socket()) as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        with pytest.raises(Failed, match=r"^It does not answer\.$"):
            send(f"http://127.0.0.1:{address[1]}/", allowed_hosts=["127.0.0.1"])
        for one in waiting:
            one.close()


def flood(headers: bytes, piece: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def behave(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n")
        while not request.stop.is_set():  # type: ignore[attr-defined]
            request.wfile.write(piece)  # until the client has enough, and leaves

    return behave


HUGE = {
    "10 GB, announced": flood(b"Content-Length: 10000000000\r\n", b"x" * 65536),
    "without an end": flood(b"", b"x" * 65536),
    "one enormous chunk": flood(b"Transfer-Encoding: chunked\r\n\r\nffffffff", b"x" * 65536),
    "chunks without an end": flood(b"Transfer-Encoding: chunked\r\n", b"400\r\n" + b"x" * 1024 + b"\r\n"),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_answer_is_not_read(name: str, serve: Callable[..., Server]) -> None:
    server = serve(HUGE[name])
    with pytest.raises(Failed, match=r"^The answer is longer than 1 kB\.$"):
        send(f"http://127.0.0.1:{server.port}/", allowed_hosts=["127.0.0.1"], limits=Limits(answer=1024))


def test_an_answer_of_just_the_limit_is_read(serve: Callable[..., Server]) -> None:
    def just(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Length: 1024\r\n\r\n" + b"x" * 1024)

    server = serve(just)
    answer = send(f"http://127.0.0.1:{server.port}/", allowed_hosts=["127.0.0.1"])
    assert answer == Answer(201, b"x" * 1024)


BROKEN = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"",
    "a line without an end": b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    "less than announced": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc",
    "a chunk of nonsense": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_a_failure(name: str, serve: Callable[..., Server]) -> None:
    server = serve(lambda request: request.wfile.write(BROKEN[name]) and None)
    with pytest.raises(Failed, match=r"^The answer is broken, or no HTTP\.$"):
        send(f"http://127.0.0.1:{server.port}/", allowed_hosts=["127.0.0.1"])


def test_nobody_there_is_a_failure() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Failed, match=r"^The connection failed: Connection refused\.$"):
        send(f"http://127.0.0.1:{port}/", allowed_hosts=["127.0.0.1"])


def test_an_unknown_name_is_a_failure() -> None:
    with pytest.raises(Failed, match=r"^The name nobody\.example is not known\.$"):
        send("http://nobody.example/", resolve=to())


# --- certificates ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the name hooks.intern, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.intern")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("hooks.intern"), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def with_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_nobody_vouches_for_is_refused(serve: Callable[..., Server], with_tls: ssl.SSLContext) -> None:
    server = serve(ok, with_tls)
    with pytest.raises(Failed, match=r"^Its certificate is not valid: self-signed certificate\.$"):
        send(f"https://hooks.intern:{server.port}/", allowed_hosts=["hooks.intern"], resolve=to("127.0.0.1"))
    assert server.seen == []


def test_a_certificate_of_a_trusted_signer_is_taken_for_its_name_only(
    serve: Callable[..., Server], with_tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = serve(ok, with_tls)
    slow = Limits()
    answer = send(
        f"https://hooks.intern:{server.port}/", allowed_hosts=["hooks.intern"], resolve=to("127.0.0.1"), limits=slow
    )
    assert answer == Answer(200, b"fine")
    with pytest.raises(Failed, match=r"^Its certificate is not valid: Hostname mismatch"):
        send(
            f"https://other.intern:{server.port}/", allowed_hosts=["other.intern"], resolve=to("127.0.0.1"), limits=slow
        )
    assert [headers["Host"] for _path, headers, _body in server.seen] == [f"hooks.intern:{server.port}"]


def test_a_slow_answer_under_tls_ends_at_the_deadline(
    serve: Callable[..., Server], with_tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = serve(SLOW["drips a body without an end"], with_tls)
    with pytest.raises(Failed, match=r"^No whole answer within 1\.5 seconds\.$"):
        send(
            f"https://hooks.intern:{server.port}/", allowed_hosts=["hooks.intern"], resolve=to("127.0.0.1"),
            limits=Limits(connect=1, total=1.5),
        )  # fmt: skip
    assert len(server.seen) == 1

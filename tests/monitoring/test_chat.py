"""Chats: which addresses are a robot's, what Apprise may be told by them, and what reaches the services.

A server of this machine stands for all the services: it has a certificate of their names, and the resolver leads there.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import html
import json
import socket
import ssl
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core import mail
from django.test import Client
from django.urls import reverse

from monitoring import chat, deliveries, notices
from monitoring.models import Channel, Delivery, Notice, Severity
from monitoring.notices import Happening
from riskreg.accounts.models import User
from riskreg.jobs.models import Job
from risks.models import Risk
from tests.monitoring.sending import deliver
from tests.monitoring.times import DAY, HOUR, NOW
from tests.riskreg.test_outside import Server

MakeRisk = Callable[..., Risk]

TEAMS = "https://prod-1.westeurope.logic.azure.com:443/workflows/abc/triggers/manual/paths/invoke"
TEAMS_QUERY = "api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=xyz"
SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
WECOM = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7abc-4bc4-97a0-0ec2sifa5aaa"
# Service, address as the service shows it, and where a message goes.
ROBOTS = {
    "feishu": ("feishu", "https://open.feishu.cn/open-apis/bot/v2/hook/abc-1", "/open-apis/bot/v2/hook/abc-1/"),
    "lark": ("feishu", "https://open.larksuite.com/open-apis/bot/v2/hook/abc-1", "/open-apis/bot/v2/hook/abc-1"),
    "dingtalk": ("dingtalk", "https://oapi.dingtalk.com/robot/send?access_token=abc1", "/robot/send?access_token=abc1"),
    "wecom": ("wecom", WECOM, urlsplit(WECOM).path + "?" + urlsplit(WECOM).query),
    "slack": ("slack", SLACK, urlsplit(SLACK).path),
    "teams": ("teams", f"{TEAMS}?{TEAMS_QUERY}", f"{urlsplit(TEAMS).path}?{TEAMS_QUERY}"),
}
HOSTS = {str(urlsplit(address).hostname) for _, address, _ in ROBOTS.values()}


# --- addresses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROBOTS)
def test_the_address_a_service_shows_is_taken(name: str) -> None:
    service, address, _ = ROBOTS[name]
    assert chat.robot(service, f"  {address} ") is not None


NO_ADDRESSES = {
    "not encrypted": ("feishu", "http://open.feishu.cn/open-apis/bot/v2/hook/abc"),
    "another service's": ("feishu", SLACK),
    "a name that only begins so": ("feishu", "https://open.feishu.cn.evil.example/open-apis/bot/v2/hook/abc"),
    "a name that only ends so": ("feishu", "https://notopen.feishu.cn/open-apis/bot/v2/hook/abc"),
    "the bare domain": ("teams", "https://logic.azure.com/workflows/abc/triggers/manual/paths/invoke?sig=xyz"),
    "a user before the name": ("feishu", "https://x@open.feishu.cn/open-apis/bot/v2/hook/abc"),
    "the name as a user": ("slack", "https://hooks.slack.com@evil.example/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnl"),
    "another port": ("teams", TEAMS.replace(":443", ":8443") + "?" + TEAMS_QUERY),
    "no port at all": ("slack", SLACK.replace(".com/", ".com:x/")),
    "half an address": ("slack", "https://[::1"),
    "no robot": ("feishu", "https://open.feishu.cn/"),
    "no token": ("dingtalk", "https://oapi.dingtalk.com/robot/send"),
    "a token that is none": ("dingtalk", "https://oapi.dingtalk.com/robot/send?access_token=a%3Fredirect%3Dyes"),
    "no signature": ("teams", TEAMS),
    "this machine": ("wecom", "https://127.0.0.1/cgi-bin/webhook/send?key=693a91f6"),
    "Apprise's own way": ("slack", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"),
    "a file": ("slack", "file:///etc/passwd"),
    "nothing": ("slack", ""),
}


@pytest.mark.parametrize("why", NO_ADDRESSES)
def test_anything_else_is_not(why: str) -> None:
    with pytest.raises(chat.NotAnAddress):
        chat.robot(*NO_ADDRESSES[why])


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize(
    "order",
    ["template=file:///etc/hostname", "template=http://169.254.169.254/", "verify=no", "redirect=yes", "rto=900"],
)
def test_an_address_gives_apprise_no_orders(name: str, order: str) -> None:
    service, address, _ = ROBOTS[name]
    robot = chat.robot(service, f"{address}{'&' if '?' in address else '?'}{order}")
    assert not getattr(robot, "template", None)
    assert (robot.verify_certificate, robot.redirects, robot.request_timeout) == (True, False, (4.0, 4.0))


# --- what reaches the service ------------------------------------------------------------------------------


def say(request: BaseHTTPRequestHandler, body: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def ok(request: BaseHTTPRequestHandler) -> None:
    say(request, b"ok")  # the very word Slack says


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all the services' names, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "chats")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # OpenSSL's clock does not stand still with ours.
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in sorted(HOSTS)]), critical=False)
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
def services(serve: Callable[..., Server], certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Server]:
    """Starts the server that stands for all services; it answers with what is given, and then always "ok"."""

    def start(*answers: Any) -> Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server = serve(*answers, *[ok] * 50, tls=context)
        look_up = socket.getaddrinfo

        def lead_here(host: Any, port: Any, *more: Any, **named: Any) -> Any:
            return look_up(*(("127.0.0.1", server.port) if host in HOSTS else (host, port)), *more, **named)

        monkeypatch.setattr(socket, "getaddrinfo", lead_here)
        return server

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("NO_PROXY", "*")
    return start


@pytest.fixture
def risk(make_risk: MakeRisk) -> Risk:
    return make_risk("价格 <b>fall</b>")


def add_chat(user: User, name: str = "feishu", **fields: Any) -> Channel:
    service, address, _ = ROBOTS[name]
    return Channel.objects.create(user=user, service=service, name="The team", address=address, **fields)


def flag_on(risk: Risk, *to: User, key: str = "flag:1", at: dt.datetime = NOW) -> None:
    details = {"flag": 1, "before": 40.0, "after": 55.0, "since": "2026-02-20"}
    happening = Happening("flag", key, frozenset(u.pk for u in to), Severity.HIGH, risk.pk, details=details)
    notices.tell([happening], at=at)


@pytest.fixture
def max_by_chat(cast: SimpleNamespace) -> User:
    """Max, who hears of flags in his chats alone."""
    cast.max.notice_preferences.create(kind="flag", medium="mail", from_severity=9)
    return cast.max  # type: ignore[no-any-return]


def texts(value: Any) -> list[str]:
    """Every string anywhere in a JSON value."""
    if isinstance(value, dict | list):
        return [text for part in (value.values() if isinstance(value, dict) else value) for text in texts(part)]
    return [value] if isinstance(value, str) else []


@pytest.mark.usefixtures("monday_morning")
@pytest.mark.parametrize("name", ROBOTS)
def test_a_message_says_it_in_one_sentence_and_where_to_look(
    risk: Risk, max_by_chat: User, services: Callable[..., Server], settings: Any, name: str
) -> None:
    server = services()
    add_chat(max_by_chat, name)
    flag_on(risk, max_by_chat)
    assert deliver() == ["sent"]
    [(path, headers, body)] = server.seen
    assert path == ROBOTS[name][2]
    assert headers["Host"].removesuffix(":443") == urlsplit(ROBOTS[name][1]).hostname
    says = "“价格 <b>fall</b>” drifts: about 40 until 20 Feb 2026, 55 since."
    said = texts(json.loads(body))
    if name == "slack":  # whose text has marks of its own
        says = html.escape(says, quote=False)
    assert f"{says}\n{settings.SITE_URL}/flags/1/" in said
    assert "apprise" not in body.decode().lower()  # neither its name nor its pictures


@pytest.mark.usefixtures("monday_morning")
def test_a_message_is_in_her_language(risk: Risk, max_by_chat: User, services: Callable[..., Server]) -> None:
    server = services()
    User.objects.filter(pk=max_by_chat.pk).update(language="zh-hans")
    add_chat(max_by_chat)
    flag_on(risk, max_by_chat)
    deliver()
    [text] = [text for text in texts(json.loads(server.seen[0][2])) if "价格" in text]
    assert "drifts" not in text


def test_a_robot_that_wants_signatures_gets_them(services: Callable[..., Server]) -> None:
    server = services()
    _, address, _ = ROBOTS["dingtalk"]
    for _ in range(8):  # a signature without anything to encode would look right either way
        assert deliveries.send_chat(Channel(service="dingtalk", address=f"{address}&secret=SECabc"), "Hello")
    for path, _headers, _body in server.seen:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query, strict_parsing=True).items()}
        signed = hmac.digest(b"SECabc", f"{asked['timestamp']}\nSECabc".encode(), hashlib.sha256)
        assert asked == {
            "access_token": "abc1",
            "timestamp": asked["timestamp"],
            "sign": base64.b64encode(signed).decode(),
        }


# --- what goes wrong ---------------------------------------------------------------------------------------


def refuse(request: BaseHTTPRequestHandler) -> None:
    """As Feishu says no."""
    say(request, b'{"code": 19024, "msg": "Key Words Not Found"}')


@pytest.mark.usefixtures("monday_morning")
@pytest.mark.parametrize("answer", [400, 404, 429, 500, refuse])
def test_what_the_service_did_not_take_is_tried_again(
    risk: Risk, max_by_chat: User, services: Callable[..., Server], answer: Any
) -> None:
    server = services(answer)
    channel = add_chat(max_by_chat)
    flag_on(risk, max_by_chat)
    assert deliver() == ["ready"]
    channel.refresh_from_db()
    assert (channel.failures, Delivery.objects.get().error) == (1, "The chat service did not take it.")
    assert deliver(NOW + HOUR) == ["sent"]
    channel.refresh_from_db()
    assert (channel.failures, len(server.seen)) == (0, 2)


@pytest.mark.usefixtures("monday_morning")
def test_after_ten_failures_it_is_switched_off_and_its_owner_told(
    risk: Risk, max_by_chat: User, services: Callable[..., Server]
) -> None:
    server = services(500, 500)
    channel = add_chat(max_by_chat, failures=9)
    flag_on(risk, max_by_chat)
    assert deliver() == ["dead"]
    channel.refresh_from_db()
    assert (channel.failures, channel.disabled_at) == (10, NOW)
    told = Notice.objects.get(event__kind="address")
    assert (told.user, told.event.details["name"], told.event.details["is_webhook"]) == (max_by_chat, "The team", False)
    assert deliver() == ["sent"]  # by mail: never in the chat that does not work
    assert [message.to for message in mail.outbox] == [["max@example.com"]]
    assert "/notices/settings/" in mail.outbox[0].body
    flag_on(risk, max_by_chat, key="flag:2")
    assert [job.kind for job in Job.objects.due(NOW + DAY)] == []
    assert len(server.seen) == 1


@pytest.mark.usefixtures("monday_morning")
def test_a_chat_switched_off_meanwhile_is_not_written_to(
    risk: Risk, max_by_chat: User, services: Callable[..., Server]
) -> None:
    server = services()
    channel = add_chat(max_by_chat)
    flag_on(risk, max_by_chat)
    Channel.objects.filter(pk=channel.pk).update(disabled_at=NOW)
    assert deliver() == ["not wanted"]
    assert server.seen == []


@pytest.mark.usefixtures("monday_morning")
def test_an_address_taken_under_other_rules_fails_like_any_other(risk: Risk, max_by_chat: User) -> None:
    channel = add_chat(max_by_chat, failures=9)
    Channel.objects.filter(pk=channel.pk).update(address="https://open.feishu.cn:8443/open-apis/bot/v2/hook/abc")
    flag_on(risk, max_by_chat)
    assert deliver() == ["dead"]
    channel.refresh_from_db()
    assert channel.disabled_at == NOW


def test_a_redirect_is_not_followed(services: Callable[..., Server], serve: Callable[..., Server]) -> None:
    """A robot of Teams can be anybody's, and could send us on to the machines only we can reach."""
    inner = serve()

    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(307)
        request.send_header("Location", f"http://127.0.0.1:{inner.port}/secret")
        request.send_header("Content-Length", "0")
        request.end_headers()

    server = services(redirect)
    assert not deliveries.send_chat(Channel(service="teams", address=ROBOTS["teams"][1]), "Hello")
    assert (len(server.seen), inner.seen) == (1, [])


def test_a_server_nobody_vouches_for_gets_nothing(
    services: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = services()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert not deliveries.send_chat(Channel(service="slack", address=f"{SLACK}?verify=no"), "Hello")
    assert server.seen == []


# --- trying it out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken", [True, False])
def test_a_test_message_that_is_taken_switches_a_chat_on_again(
    cast: SimpleNamespace, services: Callable[..., Server], sign_in: Callable[[User], Client], taken: bool
) -> None:
    server = services(ok if taken else 500)
    channel = add_chat(cast.max, failures=10, disabled_at=NOW)
    answer = sign_in(cast.max).post(reverse("monitoring:try_channel", args=[channel.pk]), follow=True)
    said = "A test message is on its way." if taken else "The chat service did not take it."
    assert [str(message) for message in answer.context["messages"]] == [said]
    assert "This is a test of your sales risk register." in texts(json.loads(server.seen[0][2]))
    channel.refresh_from_db()
    assert (channel.failures, channel.disabled_at) == ((0, None) if taken else (10, NOW))

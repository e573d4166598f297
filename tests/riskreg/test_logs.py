"""What a log line says, and what must never stand in one."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from riskreg import logs
from riskreg.accounts import links, tokens
from riskreg.jobs import actions
from riskreg.jobs.models import Job
from riskreg.logs import JsonFormatter, TextFormatter
from tests.riskreg.jobs import handlers

FORMATS: dict[str, Callable[[], logging.Formatter]] = {"text": TextFormatter, "json": JsonFormatter}
AT = 1898596800.123456  # 2030-03-01 12:00 UTC


@pytest.fixture(autouse=True)
def about_nothing() -> None:
    logs._about.set({})


@pytest.fixture(params=FORMATS)
def lines(request: pytest.FixtureRequest) -> Iterator[Callable[[], list[str]]]:
    """The log in each of its formats, as its lines."""
    yield from _captured(FORMATS[request.param])


@pytest.fixture
def objects() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The log in its JSON format, read."""
    for lines in _captured(JsonFormatter):
        yield lambda lines=lines: [json.loads(line) for line in lines()]


def _captured(formatter: Callable[[], logging.Formatter]) -> Iterator[Callable[[], list[str]]]:
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(formatter())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lambda: stream.getvalue().splitlines()
    root.setLevel(level)
    root.removeHandler(handler)


def record(message: str, *args: object, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("riskreg.test", logging.INFO, "f.py", 1, message, args, more.pop("exc_info", None))
    made.created = AT
    vars(made).update(more)
    return made


def caught(message: str) -> Any:
    try:
        raise RuntimeError(message)
    except RuntimeError:
        return sys.exc_info()


# --- the formats -----------------------------------------------------------------------------------------


def test_a_line_of_text_has_everything_in_its_place() -> None:
    with logs.about(request_id="abc", user_id=5):
        line = TextFormatter().format(record("%s risks", 3))
    assert line == "2030-03-01T12:00:00.123Z INFO riskreg.test 3 risks (request_id=abc user_id=5)"
    assert TextFormatter().format(record("bare")).startswith("2030-03-01T12:00:00.123Z INFO riskreg.test bare")


def test_a_line_of_json_has_everything_in_its_field() -> None:
    with logs.about(job_id=7, job_kind="x.y"):
        line = JsonFormatter().format(
            record("%s risks", 3, status=200, ms=4, request="<GET '/?secret=1'>", colour="red")
        )
    assert json.loads(line) == {
        "time": "2030-03-01T12:00:00.123Z",
        "level": "INFO",
        "logger": "riskreg.test",
        "message": "3 risks",
        "job_id": 7,
        "job_kind": "x.y",
        "status": 200,
        "ms": 4,
    }


FORGED = "fine\r\n2030-03-01T12:00:00.000Z INFO riskreg.access POST /login 200\x1b[2J\x0b\x0c\x85\u2028\u2029\x00end"


@pytest.mark.parametrize("name", FORMATS)
def test_a_value_cannot_forge_a_line(name: str) -> None:
    text = FORMATS[name]().format(record("Heard: %s", FORGED))
    assert len(text.splitlines()) == 1
    assert [character for character in text if ord(character) < 32 or character in "\x7f\x85\u2028\u2029"] == []
    assert "fine\\r\\n2030" in text


def test_a_traceback_cannot_forge_a_line() -> None:
    text = TextFormatter().format(record("Failed", exc_info=caught(FORGED)))
    first, *rest = text.splitlines()
    assert first == "2030-03-01T12:00:00.123Z INFO riskreg.test Failed"
    assert len(rest) > 3
    assert [line for line in rest if not line.startswith("    ")] == []
    read = json.loads(JsonFormatter().format(record("Failed", exc_info=caught("twice\nsaid"))))
    assert read["trace"].endswith("RuntimeError: twice\nsaid")


def test_what_is_said_about_a_job_ends_with_it(objects: Callable[[], list[dict[str, Any]]]) -> None:
    with logs.about(job_id=1):
        logs.access.info("inside")
    logs.access.info("outside")
    assert [line.get("job_id") for line in objects()] == [1, None]


# --- requests --------------------------------------------------------------------------------------------


def access_lines(read: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in read if line["logger"] == "riskreg.access"]


def test_each_request_has_a_line(
    objects: Callable[[], list[dict[str, Any]]], cast: SimpleNamespace, sign_in: Callable[..., Client]
) -> None:
    response = sign_in(cast.mona).get(reverse("risks:register") + "?q=tiger", headers={"X-Request-ID": "forged"})
    [line] = access_lines(objects())
    assert line["ms"] >= 0
    assert {key: line[key] for key in ("method", "path", "status", "user_id", "level")} == {
        "method": "GET", "path": "/risks/", "status": 200, "user_id": cast.mona.pk, "level": "INFO",
    }  # fmt: skip
    assert re.fullmatch(r"[0-9a-f]{32}", line["request_id"])
    assert response.headers["X-Request-ID"] == line["request_id"]


def test_no_two_requests_share_a_number_or_a_person(
    objects: Callable[[], list[dict[str, Any]]], cast: SimpleNamespace, sign_in: Callable[..., Client]
) -> None:
    sign_in(cast.mona).get(reverse("accounts:profile"))
    Client().get(reverse("accounts:login"))
    first, second = access_lines(objects())
    assert (first["user_id"], second.get("user_id")) == (cast.mona.pk, None)
    assert first["request_id"] != second["request_id"]


@pytest.mark.django_db
def test_djangos_own_line_about_a_request_has_its_number(objects: Callable[[], list[dict[str, Any]]]) -> None:
    response = Client().get("/no/such/page/")
    [line] = [line for line in objects() if line["logger"] == "django.request"]
    assert (line["message"], line["request_id"]) == ("Not Found: /no/such/page/", response.headers["X-Request-ID"])


def test_a_person_with_a_token_is_named(cast: SimpleNamespace, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.riskreg.accounts.test_tokens"
    _token, secret = tokens.create(user=cast.max, name="S", may_write=False, days=1, now=timezone.now())
    Client().get("/api/look/", headers={"Authorization": f"Bearer {secret}"})
    assert logs._about.get()["user_id"] == cast.max.pk


# --- jobs ------------------------------------------------------------------------------------------------


def test_lines_of_a_job_name_it(
    objects: Callable[[], list[dict[str, Any]]], db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "KIND_PREFIXES", (*actions.KIND_PREFIXES, "tests."))
    kind = f"{handlers.HERE}.succeed"
    job = Job.objects.create(kind=kind)
    assert actions.run(job.pk, now_fn=timezone.now)
    about_it = [line for line in objects() if line["logger"] == "riskreg.jobs.actions"]
    assert about_it[-1]["message"].startswith(f"{kind} #{job.pk} done in ")
    assert {(line["job_id"], line["job_kind"]) for line in about_it} == {(job.pk, kind)}


# --- secrets ---------------------------------------------------------------------------------------------

SECRET = "tiger-in-the-tank-42"


def test_no_planted_secret_is_in_the_log(
    lines: Callable[[], list[str]], cast: SimpleNamespace, sign_in: Callable[..., Client]
) -> None:
    """In the query, in a password form that fits and one that does not, in a token's header, in a broken page."""
    client = sign_in(cast.mona)
    client.raise_request_exception = False
    client.get(reverse("risks:register"), {"q": SECRET, "sort": SECRET})
    client.get(f"/no/such/page/?token={SECRET}")
    Client().post(reverse("accounts:login"), {"username": "max", "password": SECRET})
    cast.max.set_password(SECRET)
    cast.max.save()
    Client().post(reverse("accounts:login"), {"username": "max", "password": SECRET})
    client.post(reverse("accounts:password"), {"old_password": SECRET, "new_password1": SECRET, "new_password2": "x"})
    client.get(reverse("accounts:profile"), headers={"Authorization": f"Bearer {SECRET}", "Cookie": f"x={SECRET}"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("riskreg.accounts.views.ProfileForm", None)  # the page breaks
        assert client.post(reverse("accounts:profile") + f"?q={SECRET}", {"email": SECRET}).status_code == 500
    assert len(lines()) > 8
    assert any("Internal Server Error: /accounts/profile/" in line for line in lines())
    assert [line for line in lines() if "tiger" in line] == []


def test_keys_in_a_path_or_an_error_are_blotted_out(lines: Callable[[], list[str]], cast: SimpleNamespace) -> None:
    link = links.make("digest", user_id=1, subject="weekly", now=timezone.now())
    token, secret = tokens.create(user=cast.max, name="S", may_write=False, days=1, now=timezone.now())
    Client().get(f"/no/such/page/{link}/")
    Client().get(f"/no/such/page/{secret}/")
    logging.getLogger("x").error("%s", link, exc_info=caught(f"Bearer {secret}"))
    text = "\n".join(lines())
    assert "/no/such/page/…/" in text
    assert "/no/such/page/rr_…/" in text
    assert [key for key in (link, secret, token.prefix) if key in text] == []
    assert (
        logs._without_secrets("https://risks.example.com/monitoring/heat-map.html")
        == "https://risks.example.com/monitoring/heat-map.html"
    )


def test_making_a_token_leaves_no_trace_of_it(
    lines: Callable[[], list[str]], cast: SimpleNamespace, sign_in: Callable[..., Client]
) -> None:
    page = sign_in(cast.max).post(reverse("accounts:add_token"), {"name": "S", "days": "30"}).content.decode()
    [secret] = re.findall(r"rr_[a-z0-9]{8}_([\w-]{43})", page)
    assert [line for line in lines() if secret in line] == []

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskreg.accounts import links
from riskreg.accounts.links import LinkExpired, LinkInvalid, Opened

NOW = dt.datetime(2030, 3, 1, 12, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
URL_SAFE = re.compile(r"[A-Za-z0-9._-]+")


@given(st.integers(1, 2**63), st.text(max_size=40), st.integers(0, 10**9))
def test_a_link_says_who_what_and_since_when(user_id: int, subject: str, second: int) -> None:
    now = NOW + dt.timedelta(seconds=second)
    token = links.make("digest", user_id=user_id, subject=subject, now=now)
    assert links.read("digest", token, max_age=DAY, now=now) == Opened(user_id, subject, now)
    assert URL_SAFE.fullmatch(token)


def test_a_link_is_short() -> None:
    assert len(links.make("unsubscribe", user_id=123456, subject="digest", now=NOW)) <= 90


@given(st.data())
def test_any_change_of_a_character_makes_it_invalid(data: st.DataObject) -> None:
    token = links.make(
        "digest", user_id=data.draw(st.integers(1, 10**6)), subject=data.draw(st.text(max_size=9)), now=NOW
    )
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda character: character != token[at]))
    changed = data.draw(
        st.sampled_from(
            [
                token[:at] + other + token[at + 1 :],
                token[:at] + token[at + 1 :],
                token[:at] + other + token[at:],
                token + other,
            ]
        )
    )
    with pytest.raises(LinkInvalid):
        links.read("digest", changed, max_age=DAY, now=NOW)


@pytest.mark.parametrize("token", ["", ".", "..", "a", "a.b", ".a.b", "W10.", "\x00", "é.é"])
def test_what_is_no_link_is_invalid(token: str) -> None:
    with pytest.raises(LinkInvalid):
        links.read("digest", token, max_age=DAY, now=NOW)


@given(st.text(min_size=1, max_size=12), st.text(min_size=1, max_size=12))
def test_a_link_for_one_purpose_is_invalid_for_another(purpose: str, other: str) -> None:
    token = links.make(purpose, user_id=1, subject="", now=NOW)
    if purpose != other:
        with pytest.raises(LinkInvalid):
            links.read(other, token, max_age=DAY, now=NOW)


def test_a_link_lives_as_long_as_its_reader_says() -> None:
    token = links.make("digest", user_id=1, subject="", now=NOW)
    assert links.read("digest", token, max_age=DAY, now=NOW + DAY).made_at == NOW
    with pytest.raises(LinkExpired):
        links.read("digest", token, max_age=DAY, now=NOW + DAY + dt.timedelta(seconds=1))


def test_a_link_outlives_a_change_of_the_key_while_the_old_one_is_known(settings: Any) -> None:
    token = links.make("digest", user_id=1, subject="", now=NOW)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "the new one"
    assert links.read("digest", token, max_age=DAY, now=NOW).user_id == 1
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(LinkInvalid):
        links.read("digest", token, max_age=DAY, now=NOW)

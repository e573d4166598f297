"""Signed links in mails: who was meant, for what, and since when, without a row for each."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.core import signing


class LinkInvalid(Exception):
    """Not a link of ours, or one for another purpose."""


class LinkExpired(Exception):
    """A link of ours that is too old."""


@dataclass(frozen=True)
class Opened:
    user_id: int
    subject: str
    made_at: dt.datetime  # UTC, whole seconds


def make(purpose: str, *, user_id: int, subject: str, now: dt.datetime) -> str:
    """A token of URL-safe characters that ``read`` opens for the same purpose only."""
    return _signer(purpose).sign_object([user_id, subject, int(now.timestamp())])


def read(purpose: str, token: str, *, max_age: dt.timedelta, now: dt.datetime) -> Opened:
    """What the token says. Raises LinkInvalid, and LinkExpired when it was made longer ago than ``max_age``."""
    try:
        user_id, subject, second = _signer(purpose).unsign_object(token)
    except (signing.BadSignature, UnicodeError) as error:  # half a surrogate pair cannot even be compared
        raise LinkInvalid from error
    opened = Opened(user_id, subject, dt.datetime.fromtimestamp(second, tz=dt.UTC))
    if now - opened.made_at > max_age:
        raise LinkExpired
    return opened


def _signer(purpose: str) -> signing.Signer:
    # The purpose is part of the key: a link to unsubscribe never opens what a link to log in does.
    return signing.Signer(salt=f"riskreg.links.{purpose}", sep=".")

"""Secrets at rest: text that only this installation can read again, so that a copy of the database gives none away."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any, NoReturn

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import FieldError
from django.db import models


class SealBroken(Exception):
    """A sealed text cannot be opened: it was changed, or sealed with a key that is no longer known."""


class Secret(str):
    """Text as any other, but not shown where values are listed: in tracebacks, logs and the repr of a container."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


def seal(text: str) -> str:
    """A token that ``unseal`` gives back as the text; another one every time."""
    return _keys().encrypt(text.encode()).decode()


def unseal(token: str) -> str:
    """The text of a token, whichever of our keys it was sealed with. Raises SealBroken."""
    try:
        return Secret(_keys().decrypt(token.encode()).decode())
    except InvalidToken as error:
        raise SealBroken("A sealed text cannot be opened with any of the keys.") from error


def reseal(token: str) -> str:
    """The same text under the newest key. Raises SealBroken."""
    return seal(unseal(token))


class SealedTextField(models.TextField):  # type: ignore[type-arg]
    """Text that is sealed in the database and plain in Python. Empty text stays empty. Cannot be searched for."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return seal(value) if value else value

    def from_db_value(self, value: str | None, _expression: Any, _connection: Any) -> str | None:
        return unseal(value) if value else value

    def value_to_string(self, obj: models.Model) -> str:
        """Fixtures carry no secrets."""
        return ""

    def get_lookup(self, lookup_name: str) -> Any:
        # The same text is sealed differently each time, so a comparison would silently find nothing.
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else self._not_searched()

    def _not_searched(self) -> NoReturn:
        raise FieldError(f"{self.name} is sealed; it can only be asked whether it is null.")


def _keys() -> MultiFernet:
    return _keys_of(settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@lru_cache(maxsize=4)
def _keys_of(*secrets: str) -> MultiFernet:
    """The first one seals; all of them open."""
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(secret))) for secret in secrets])


def _derived(secret: str) -> bytes:
    # A name of its own: no other use of SECRET_KEY ever has this key.
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"riskreg.sealed").derive(secret.encode())

"""Calls to Zoho: where it lives, the token they need, and what they may spend. Plain."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from crm.connectors import http
from crm.connectors.base import CredentialsRefused, LimitReached, Misconfigured, Tally, Token, Tokens
from crm.connectors.zoho.answers import TokenRefused, granted, listed, revoked

_EARLY = dt.timedelta(seconds=60)  # before a token ends, so that it does not end on its way
_LATER = dt.timedelta(hours=1)


@dataclass(frozen=True)
class DataCentre:
    """Where organisations of one region live; sandboxes and developers' organisations have the same endings."""

    api: str
    accounts: str

    @property
    def bases(self) -> list[str]:
        return [f"https://{kind}.{self.api}" for kind in ("www", "sandbox", "developer")]


DATA_CENTRES: dict[str, DataCentre] = {
    "us": DataCentre("zohoapis.com", "https://accounts.zoho.com"),
    "eu": DataCentre("zohoapis.eu", "https://accounts.zoho.eu"),
    "in": DataCentre("zohoapis.in", "https://accounts.zoho.in"),
    "cn": DataCentre("zohoapis.com.cn", "https://accounts.zoho.com.cn"),
    "au": DataCentre("zohoapis.com.au", "https://accounts.zoho.com.au"),
    "jp": DataCentre("zohoapis.jp", "https://accounts.zoho.jp"),
    "ca": DataCentre("zohoapis.ca", "https://accounts.zohocloud.ca"),
    "sa": DataCentre("zohoapis.sa", "https://accounts.zoho.sa"),
}


@dataclass(frozen=True)
class Credentials:
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


class Calls:
    """Whatever is asked of one organisation, with the token all its workers share."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        data_centre: str,
        tally: Tally,
        tokens: Tokens,
        clock: http.Clock,
        sleep: http.Sleep,
        own_bases: Collection[str],
        limits: http.Limits,
        credits_floor: int,
        resolve: Callable[[str, int], list[str]] | None,
    ) -> None:
        self._credentials = credentials
        self._tally = tally
        self._tokens = tokens
        self._clock = clock
        self._credits_floor = credits_floor
        if centre := DATA_CENTRES.get(data_centre):
            self._bases, self._accounts = centre.bases, centre.accounts
        elif data_centre in own_bases:
            self._bases, self._accounts = [data_centre], data_centre.rstrip("/")
        else:
            raise Misconfigured("This is none of Zoho's data centres.")
        self._http = http.Http(
            [*self._bases, self._accounts] if centre else [],
            tally=tally,
            sleep=sleep,
            own=[] if centre else self._bases,
            limits=limits,
            resolve=resolve,
        )

    def close(self) -> None:
        self._http.close()

    def exchange(self, code: str) -> str:
        """The lasting refresh token for a code from Zoho's console, which is good once and for minutes."""
        token = self._grant(grant_type="authorization_code", code=code)
        if not (lasting := token.details.get("refresh_token")):
            raise CredentialsRefused("Zoho gave no lasting token: the code was not asked for with offline access.")
        return lasting

    def revoke(self) -> None:
        """Have Zoho forget the refresh token, when a connection is taken away."""
        address = f"{self._accounts}/oauth/v2/token/revoke"
        self._http.call("POST", address, judge=revoked, form={"token": self._credentials.refresh_token})

    def get(
        self,
        path: str,
        *,
        key: str,
        source: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        asked: Collection[str] = (),
    ) -> dict[str, Any] | None:
        return self.call("GET", path, key=key, source=source, params=params, headers=headers, asked=asked)

    def call(
        self,
        method: str,
        path: str,
        *,
        key: str,
        source: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        asked: Collection[str] = (),
    ) -> dict[str, Any] | None:
        """One question, with one new token and one repetition where the token is refused."""
        judge = listed(key, source=source, asked=asked, clock=self._clock)

        def noting(answer: http.Answer) -> dict[str, Any] | None:
            self._note_credits(answer)
            return judge(answer)

        def send(token: Token) -> dict[str, Any] | None:
            self._stop_at_the_floor(source)
            signed = {**(headers or {}), "Authorization": f"Zoho-oauthtoken {token.value}"}
            url = f"{self._api_base(token)}/crm/v8{path}"
            return self._http.call(method, url, judge=noting, headers=signed, params=params, body=body)

        token = self._token()
        try:
            return send(token)
        except TokenRefused as error:
            self._tally.errors.append(str(error))
        return send(self._token(refused=token.value))

    def _token(self, refused: str | None = None) -> Token:
        """The token all workers share; whoever finds it old or refused asks for one, while the others wait."""
        if token := self._kept(refused):
            return token
        with self._tokens.lock():
            if token := self._kept(refused):
                return token
            token = self._grant(grant_type="refresh_token", refresh_token=self._credentials.refresh_token)
            token = replace(token, details={"api_domain": token.details.get("api_domain", "")})  # nothing that lasts
            self._tokens.put(token)
            return token

    def _grant(self, **asked: str) -> Token:
        """In the body, as addresses are written into logs."""
        self._tally.tokens += 1
        mine = {"client_id": self._credentials.client_id, "client_secret": self._credentials.client_secret}
        address = f"{self._accounts}/oauth/v2/token"
        token = self._http.call("POST", address, judge=granted(self._clock), form={**asked, **mine})
        self._api_base(token)  # is refused before anybody uses it
        return token

    def _kept(self, refused: str | None) -> Token | None:
        token = self._tokens.get()
        if token is None or token.value == refused or token.expires_at - _EARLY <= self._clock():
            return None
        return token

    def _api_base(self, token: Token) -> str:
        """What came with the token, if it is one of this data centre's: an organisation lives in one only."""
        said = token.details.get("api_domain") or self._bases[0]
        origins = {http.origin(base) for base in self._bases}
        if http.origin(said) not in origins:
            raise Misconfigured("Zoho names an address for its API that is not one of this data centre's.")
        return said.rstrip("/")

    def _note_credits(self, answer: http.Answer) -> None:
        said = answer.headers.get("X-API-CREDITS-REMAINING", "")
        if said.isascii() and said.isdigit():
            self._tally.credits_left = int(said)

    def _stop_at_the_floor(self, source: str) -> None:
        """Others of the organisation need the rest of the day's calls."""
        left = self._tally.credits_left
        if left is not None and left < self._credits_floor:
            again_at = self._clock() + dt.timedelta(hours=1)
            raise LimitReached(f"Only {left} calls are left at Zoho for now.", source=source, again_at=again_at)

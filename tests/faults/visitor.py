"""Somebody who is signed in and uses the pages."""

from __future__ import annotations

import http.client
from collections import Counter
from typing import Any
from urllib.parse import urlencode

TOKEN = "c" * 32


class Visitor:
    """Reads and saves over HTTP; ``answers`` counts what came of it."""

    def __init__(self, port: int, user: Any) -> None:
        from django.test import Client

        client = Client()
        client.force_login(user)
        self.port = port
        self.headers = {"Cookie": f"sessionid={client.cookies['sessionid'].value}; csrftoken={TOKEN}"}
        self.answers: Counter[str] = Counter()

    def read(self, path: str) -> bool:
        """Whether a page was shown."""
        return self._ask("GET", path, None) == 200

    def save(self, path: str, **fields: object) -> bool:
        """Whether a form was taken, which is answered by leading on."""
        return self._ask("POST", path, urlencode(fields | {"csrfmiddlewaretoken": TOKEN})) == 302

    def _ask(self, method: str, path: str, body: str | None) -> int:
        """The status; 0 where the connection broke. Counted as ok, error, broken, or refused (not even accepted)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = self.headers | ({"Content-Type": "application/x-www-form-urlencoded"} if body else {})
        try:
            connection.request(method, path, body, headers)
            status = connection.getresponse().status
        except ConnectionRefusedError:
            self.answers["refused"] += 1
            return 0
        except (OSError, http.client.HTTPException):
            self.answers["broken"] += 1
            return 0
        finally:
            connection.close()
        self.answers["ok" if status < 400 else "errors"] += 1
        return status


def administrator() -> Any:
    from riskreg.accounts.models import User

    return User.objects.create_user("admin", "admin@example.com", "password", is_admin=True)

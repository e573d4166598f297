"""Which connector speaks to which CRM. A new one is a folder beside the others and a line here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.utils import timezone

from crm.connectors.base import Connector, Source
from crm.connectors.files import File, FilesConnector
from crm.connectors.fxiaoke import Credentials as FxiaokeCredentials
from crm.connectors.fxiaoke import Fxiaoke, Style
from crm.connectors.zoho import Credentials as ZohoCredentials
from crm.connectors.zoho import Zoho
from crm.models import Connection, Upload
from crm.tokens import SharedTokens


def open_connection(connection: Connection) -> Connector:
    """The connector of a connection, with its credentials; nothing is called yet."""
    return _OPENERS[connection.kind](connection)


def _zoho(connection: Connection) -> Connector:
    return Zoho(
        ZohoCredentials(**_secrets(connection)),
        data_centre=connection.options["data_centre"],
        tokens=SharedTokens(connection),
        clock=timezone.now,
        own_bases=settings.CRM_OWN_BASES,
    )


def _fxiaoke(connection: Connection) -> Connector:
    return Fxiaoke(
        FxiaokeCredentials(
            user=connection.options["user"],
            style=Style(connection.options.get("style", Style.CURRENT)),
            **_secrets(connection),
        ),
        cloud=connection.options["cloud"],
        tokens=SharedTokens(connection),
        clock=timezone.now,
        own_bases=settings.CRM_OWN_BASES,
    )


def _files(connection: Connection) -> Connector:
    uploads = Upload.objects.filter(connection=connection)
    sources = [Source(**one) for each in connection.mapping.values() for one in each]
    return FilesConnector({one.name: File(one.header, one.rows) for one in uploads}, sources)


def _secrets(connection: Connection) -> dict[str, str]:
    secrets: dict[str, str] = json.loads(connection.secrets or "{}")
    return secrets


_OPENERS: dict[Any, Callable[[Connection], Connector]] = {
    Connection.Kind.ZOHO: _zoho,
    Connection.Kind.FXIAOKE: _fxiaoke,
    Connection.Kind.FILES: _files,
}

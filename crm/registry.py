"""Which connector speaks to which CRM. A new one is a folder beside the others and a line here."""

from __future__ import annotations

from crm.connectors.base import Connector, Source
from crm.connectors.files import File, FilesConnector
from crm.models import Connection, Upload


def open_connection(connection: Connection) -> Connector:
    """The connector of a connection, with its credentials; nothing is called yet."""
    return _OPENERS[connection.kind](connection)


def _files(connection: Connection) -> Connector:
    uploads = Upload.objects.filter(connection=connection)
    sources = [Source(**one) for each in connection.mapping.values() for one in each]
    return FilesConnector({one.name: File(one.header, one.rows) for one in uploads}, sources)


_OPENERS = {Connection.Kind.FILES: _files}

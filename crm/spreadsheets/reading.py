"""One way in for registers kept as CSV or XLSX files. The content decides what a file is, not its name."""

from crm.spreadsheets.delimited import sniff_delimiter, split_rows, split_separator_line
from crm.spreadsheets.encodings import decode
from crm.spreadsheets.table import Cell, Sheet, Table
from crm.spreadsheets.unreadable import MAX_BYTES, MAX_COLUMNS, MAX_ROWS, UnreadableFile
from crm.spreadsheets.workbook import read_workbook

__all__ = ["MAX_BYTES", "MAX_COLUMNS", "MAX_ROWS", "Cell", "Table", "UnreadableFile", "read_table"]

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OTHER_BINARIES = (
    b"%PDF-",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\x1f\x8b",
    b"BZh",
    b"7z\xbc\xaf",
    b"Rar!",
    b"{\\rtf",
    b"\x7fELF",
    b"MZ\x90",
)
_MARKUP = ("<?xml", "<!doctype", "<html", "<table")


def read_table(data: bytes, filename: str) -> Table:
    """Read the bytes of a register. `filename` is part of the call for messages and logs; it decides nothing.

    Raises UnreadableFile with one of the codes in `unreadable.MESSAGES`, and nothing else.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableFile("too_large", limit=f"{MAX_BYTES // 1024**2} MB")
    if not data.strip():
        raise UnreadableFile("empty")
    if data.startswith(_OLE):
        # A workbook with a password is an OLE container too; its stream is named in UTF-16.
        raise UnreadableFile("encrypted" if "EncryptedPackage".encode("utf-16-le") in data else "old_excel")
    if data.startswith(_ZIP):
        return read_workbook(data)
    if data.startswith(_OTHER_BINARIES):
        raise UnreadableFile("binary")
    return _read_csv(data)


def _read_csv(data: bytes) -> Table:
    text, encoding = decode(data)
    if text.lstrip()[:10].lower().startswith(_MARKUP):
        raise UnreadableFile("not_a_table")
    declared, text = split_separator_line(text)
    delimiter = declared or sniff_delimiter(text)
    sheet = Sheet()
    for row in split_rows(text, delimiter):
        sheet.add(row)
    return Table(rows=sheet.squared(), sheet="", encoding=encoding, delimiter=delimiter)

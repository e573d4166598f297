"""An Excel workbook to rows: weighed before it is opened, and opened in a process that can be lost."""

import datetime as dt
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from crm.spreadsheets.table import Cell, Sheet, Table
from crm.spreadsheets.unreadable import UnreadableFile

MAX_MEMBERS = 1000
MAX_UNPACKED_BYTES = 200 * 1024 * 1024
MAX_RATIO = 100
RATIO_JUDGED_FROM_BYTES = 1024 * 1024
TIMEOUT_SECONDS = 150
ENCRYPTED_FLAG = 0x1

_PROJECT = Path(__file__).resolve().parents[2]


def read_workbook(data: bytes) -> Table:
    """The fullest sheet. Raises UnreadableFile, whatever is wrong with the bytes."""
    weigh_archive(data)
    lines = _run_child(data).decode("utf-8").splitlines()
    try:
        head = json.loads(lines[0])
        rows = [[_cell(value) for value in json.loads(line)] for line in lines[1:]]
    except (IndexError, KeyError, TypeError, ValueError):
        raise UnreadableFile("not_a_table") from None
    if "code" in head:
        raise UnreadableFile(head["code"], **head["params"])
    sheet = Sheet()
    for row in rows:
        sheet.add(row)
    return Table(rows=sheet.squared(), sheet=head["sheet"], encoding="", delimiter="")


def weigh_archive(data: bytes) -> None:
    """Raises UnreadableFile 'binary', 'encrypted' or 'bomb' from the zip directory alone, without unpacking."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except Exception:  # zipfile raises half a dozen types on damaged directories
        raise UnreadableFile("not_a_table") from None
    names = {member.filename for member in members}
    if "[Content_Types].xml" not in names or not any(name.startswith("xl/") for name in names):
        raise UnreadableFile("binary")
    if any(member.flag_bits & ENCRYPTED_FLAG for member in members):
        raise UnreadableFile("encrypted")
    unpacked = sum(member.file_size for member in members)
    heavy = unpacked > RATIO_JUDGED_FROM_BYTES and unpacked > MAX_RATIO * len(data)
    if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED_BYTES or heavy:
        raise UnreadableFile("bomb")


def _run_child(data: bytes) -> bytes:
    # Not multiprocessing: Celery's workers are daemons and may not fork. The bare environment keeps our secrets
    # out of a process that parses strangers' files.
    command = [sys.executable, "-m", "crm.spreadsheets.child"]
    environment = {"PYTHONPATH": str(_PROJECT), "PYTHONDONTWRITEBYTECODE": "1", "OPENPYXL_LXML": "False"}
    try:
        child = subprocess.run(  # noqa: S603 - a fixed command, nothing of the file is in it
            command,
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_PROJECT,
            env=environment,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnreadableFile("bomb") from None
    if child.returncode < 0:  # ended by a signal: the kernel enforcing the limits
        raise UnreadableFile("bomb")
    if child.returncode > 0:
        raise UnreadableFile("not_a_table")
    return child.stdout


def _cell(value: Any) -> Cell:
    """Undo `child.encoded`: {"d": iso} is a date, or a date and time when it has a 'T'."""
    if isinstance(value, dict):
        iso = value["d"]
        return dt.datetime.fromisoformat(iso) if "T" in iso else dt.date.fromisoformat(iso)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise ValueError("unexpected cell")

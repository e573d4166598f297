"""What the codes of reading and planning an import mean, in words a person understands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from crm.spreadsheets.unreadable import UnreadableFile

_FILE = {
    "empty": gettext_noop("The file has no content."),
    "binary": gettext_noop("The file is neither CSV text nor an Excel workbook (.xlsx)."),
    "too_large": gettext_noop("The file is too large (limit: %(limit)s)."),
    "too_many_rows": gettext_noop("The file has more than %(limit)s rows. Split it into several files."),
    "too_wide": gettext_noop("The file has more than %(limit)s columns."),
    "not_a_table": gettext_noop("The file holds no table that can be read."),
    "bomb": gettext_noop("The workbook needs too much memory or time to open."),
    "encrypted": gettext_noop("The workbook is protected by a password. Save it without one."),
    "old_excel": gettext_noop("This is an old Excel file (.xls). Save it as .xlsx or CSV."),
    "unclosed_quote": gettext_noop("The quotation mark opened in line %(line)s is never closed properly."),
    "encoding": gettext_noop("The characters of the file cannot be made out. Save it as UTF-8."),
}
_ROW = {
    "date": gettext_noop("“%(cell)s” is no date."),
    "year": gettext_noop("The year of “%(cell)s” is outside 1900 to 2200."),
    "number": gettext_noop("“%(cell)s” is no number that can be used."),
    "range": gettext_noop("“%(cell)s” is outside the possible range; a probability lies between 0 and 100 %%."),
    "bool": gettext_noop("“%(cell)s” is neither yes nor no."),
    "level": gettext_noop("“%(cell)s” is no level of this scale."),
    "unit": gettext_noop("“%(cell)s” has the wrong unit for this scale."),
    "too_long": gettext_noop("The text is too long: “%(cell)s…”"),
    "months": gettext_noop("“%(cell)s” is no number of months from 1 to 120."),
    "status": gettext_noop("“%(cell)s” is no status; use open or closed."),
    "outcome": gettext_noop("“%(cell)s” is no outcome; use it happened, it did not happen, or no longer relevant."),
    "basis": gettext_noop("“%(cell)s” is no basis; use historical data, market research, or expert opinion."),
    "no_title": gettext_noop("No title, so nothing to take in."),
    "title_cut": gettext_noop("The title is longer than 200 characters; the whole text is kept as the event."),
    "unknown_team": gettext_noop("There is no team “%(cell)s” that you work in."),
    "unknown_owner": gettext_noop("Nobody here is called “%(cell)s”; the name is kept in the notes."),
    "unknown_category": gettext_noop("There is no category “%(cell)s”; the name is kept as a tag."),
    "half_judged": gettext_noop("Likelihood and impact are not both given, so the risk stays unassessed."),
    "outcome_of_open": gettext_noop("An open risk cannot have the outcome “%(cell)s”."),
    "closed_on_of_open": gettext_noop("An open risk cannot have been closed on %(cell)s."),
    "twice_in_file": gettext_noop("“%(cell)s” stands in the file twice; only the first is taken."),
    "may_not_edit": gettext_noop("There is such a risk already, but you may not change it."),
    "unchanged": gettext_noop("Nothing differs from %(cell)s."),
}


def of_file(error: UnreadableFile) -> str:
    return _(_FILE[error.code]) % error.params


def of_row(code: str, cell: str) -> str:
    return _(_ROW[code]) % {"cell": cell}


def of_reasons(reasons: Sequence[Sequence[Any]], headings: dict[str, str]) -> list[dict[str, str]]:
    """The reasons of a row, each with the heading of its column."""
    return [{"column": headings.get(key, key), "text": of_row(code, cell)} for code, key, cell in reasons]

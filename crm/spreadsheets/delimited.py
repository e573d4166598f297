"""Text to rows: which character divides the cells, and where each cell ends.

The csv module is not used for reading: it neither says where a quote was opened nor notices one that swallowed
the rows after it, and its field limit is a global of the process.
"""

import re
from collections import Counter
from collections.abc import Iterator

from crm.spreadsheets.unreadable import MAX_CELL_CHARACTERS, UnreadableFile

DELIMITERS = ",;\t|"
SAMPLE_CHARACTERS = 300_000
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_QUOTED = re.compile(r'"((?:[^"]|"")*+)"')
_QUOTED_ANYWHERE = re.compile(r'(?:^|(?<=[,;\t|\r\n]))"(?:[^"]|"")*+"')
_SEPARATOR_LINE = re.compile(r"sep=([,;\t|])(?:\r\n|\r|\n)", re.IGNORECASE)


def split_separator_line(text: str) -> tuple[str | None, str]:
    """Excel writes 'sep=;' as a first line: return that delimiter, if any, and the text without the line."""
    match = _SEPARATOR_LINE.match(text)
    return (match[1], text[match.end() :]) if match else (None, text)


def sniff_delimiter(text: str) -> str:
    """The delimiter found equally often, and at least once, in the largest share of lines; comma if there is none."""
    sample = _QUOTED_ANYWHERE.sub("", text[:SAMPLE_CHARACTERS])
    lines = [line for line in _LINE_BREAK.split(sample) if line]
    # max() keeps the first of equals, so the order of DELIMITERS is the order of preference.
    return max(DELIMITERS, key=lambda delimiter: _agreement(lines, delimiter))


def _agreement(lines: list[str], delimiter: str) -> tuple[int, int]:
    counts = Counter(line.count(delimiter) for line in lines)
    del counts[0]
    return max(((agreeing, count) for count, agreeing in counts.items()), default=(0, 0))


def split_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """Yield the cells of each record. Raises UnreadableFile 'unclosed_quote' or 'too_large' with the line number."""
    plain = re.compile(rf"[^{re.escape(delimiter)}\r\n]*")
    position, line, row = 0, 1, list[str]()
    while position < len(text):
        cell, position, breaks = _read_cell(text, position, line, plain)
        line += breaks
        row.append(cell)
        if text.startswith(delimiter, position):
            position += 1
            if position < len(text):
                continue
            row.append("")
        line_break = _LINE_BREAK.match(text, position)
        if line_break:
            position = line_break.end()
        line += 1
        yield row
        row = []


def _read_cell(text: str, position: int, line: int, plain: re.Pattern[str]) -> tuple[str, int, int]:
    """Return the cell that starts at `position`, where it ends, and the line breaks inside it."""
    if not text.startswith('"', position):
        end = _end_of(plain, text, position)
        return _checked(text[position:end], line), end, 0
    quoted = _QUOTED.match(text, position)
    if quoted is None:
        raise UnreadableFile("unclosed_quote", line=line)
    cell = quoted[1].replace('""', '"')
    end = _end_of(plain, text, quoted.end())
    rest = text[quoted.end() : end]
    breaks = len(_LINE_BREAK.findall(cell))
    if breaks and rest.strip():
        # The quote that closed this cell was the opening one of a cell further down: rows have been swallowed.
        raise UnreadableFile("unclosed_quote", line=line)
    return _checked(cell + rest if rest.strip() else cell, line), end, breaks


def _end_of(plain: re.Pattern[str], text: str, position: int) -> int:
    match = plain.match(text, position)
    return match.end() if match else position


def _checked(cell: str, line: int) -> str:
    if len(cell) > MAX_CELL_CHARACTERS:
        raise UnreadableFile("too_large", limit=f"{MAX_CELL_CHARACTERS // 1000} kB per cell", line=line)
    return cell

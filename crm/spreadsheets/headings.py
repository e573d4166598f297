"""Which row of a sheet is its heading, and which column means which field."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

from crm.spreadsheets.table import Cell, is_blank

SEARCHED_ROWS = 200
FOLLOWING_ROWS = 20
MAX_HEADING_CHARACTERS = 300
EXACT = 1.0
ACCEPTED = 0.5

_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|【[^【】]*】|<[^<>]*>")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SPACE_INSIDE_CHINESE = re.compile(r"(?<=[\u4e00-\u9fff])\s+(?=[\u4e00-\u9fff])")
_TIMES = re.compile(r"[×*✕✖]")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
# In a risk register any heading may start or end with these: "Risk score" is a score.
_ON_EVERY_COLUMN = frozenset(["risk", "风险"])
# "Impact description" is about the impact, but is not the impact.
_ABOUT = frozenset(
    ["description", "note", "comment", "detail", "rationale", "reason", "date", "描述", "说明", "备注", "原因"]
)


@lru_cache(maxsize=4096)  # the same few hundred spellings are asked for with every cell of the first rows
def normalised(heading: str) -> str:
    """Half-width, lower case, words divided by single spaces, without brackets, punctuation or plural s."""
    plain = unicodedata.normalize("NFKC", _CAMEL.sub(" ", heading[:MAX_HEADING_CHARACTERS]))
    plain = _SPACE_INSIDE_CHINESE.sub("", plain).lower()
    without_brackets = _BRACKETS.sub(" ", plain)
    plain = without_brackets if any(map(str.isalnum, without_brackets)) else plain
    plain = _TIMES.sub(" x ", plain)
    words = "".join(character if character.isalnum() else " " for character in plain).split()
    return " ".join(map(_singular, words))


def _singular(word: str) -> str:
    plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if plural else word


def match_score(heading: str, alias: str) -> float:
    """How well an alias names a heading, both normalised: 1 for equal, 0 for not at all.

    Starting with the alias beats ending with it, which beats holding its words somewhere. The factors of a product
    ('impact x probability') are not what the column holds, so no alias matches on them.
    """
    if not heading or not alias:
        return 0.0
    if heading == alias:
        return EXACT
    if alias in _ON_EVERY_COLUMN:
        return 0.0
    if _CHINESE.search(alias):
        return _chinese_score(heading, alias)
    return _word_score(heading.split(), alias.split())


def _word_score(heading: list[str], alias: list[str]) -> float:
    size, share = len(alias), len(alias) / len(heading)
    if set(alias) & _factors(heading):
        return 0.0
    if heading[:size] == alias:
        return 0.6 + 0.3 * share - (0.15 if heading[size] in _ABOUT else 0.0)
    if heading[-size:] == alias and len(heading) <= 5:
        return 0.45 + 0.3 * share
    if size > 1 and len(heading) <= 6 and set(alias) <= set(heading):
        return 0.4 + 0.3 * share
    return 0.0


def _factors(heading: list[str]) -> set[str]:
    places = [place for place, word in enumerate(heading) if word == "x"]
    return {heading[near] for place in places for near in (place - 1, place + 1) if 0 <= near < len(heading)}


def _chinese_score(heading: str, alias: str) -> float:
    """Chinese has no spaces between words; compare by characters."""
    if any(alias in factor or factor in alias for factor in _factors(heading.split())):
        return 0.0
    share = len(alias) / len(heading)
    if heading.startswith(alias):
        about = heading.removeprefix(alias).strip() in _ABOUT
        return 0.6 + 0.3 * share - (0.15 if about else 0.0)
    return 0.45 + 0.3 * share if heading.endswith(alias) else 0.0


def _field_scores(cell: Cell, aliases: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Field key -> score, for the fields whose best alias is good enough."""
    if not isinstance(cell, str) or is_blank(cell) or len(cell) > MAX_HEADING_CHARACTERS:
        return {}
    heading = normalised(cell)
    scores = {
        field: max((match_score(heading, normalised(alias)) for alias in spellings), default=0.0)
        for field, spellings in aliases.items()
    }
    return {field: score for field, score in scores.items() if score >= ACCEPTED}


def find_header(rows: Sequence[Sequence[Cell]], aliases: Mapping[str, Sequence[str]]) -> int:
    """Index of the row that names the columns: most known headings, with filled rows under them; the first of equals.

    If no heading is known, the first row of texts as wide as the table; 0 for no rows at all.
    """
    best, best_score = None, 0.0
    for index in range(min(len(rows), SEARCHED_ROWS)):
        score = _header_score(rows, index, aliases)
        if score > best_score:
            best, best_score = index, score
    return _first_wide_row(rows) if best is None else best


def _header_score(rows: Sequence[Sequence[Cell]], index: int, aliases: Mapping[str, Sequence[str]]) -> float:
    best_by_field: dict[str, float] = {}
    for cell in rows[index]:
        scores = _field_scores(cell, aliases)
        if scores:
            field = max(scores, key=lambda name: scores[name])
            best_by_field[field] = max(best_by_field.get(field, 0.0), scores[field])
    if not best_by_field:
        return 0.0
    return sum(best_by_field.values()) * (0.5 + 0.5 * _support(rows, index))


def _support(rows: Sequence[Sequence[Cell]], index: int) -> float:
    """How much of the filled rows below stands under the headings, 0 to 1: little under a title, all under a header."""
    columns = [number for number, cell in enumerate(rows[index]) if not is_blank(cell)]
    below = [row for row in rows[index + 1 : index + 1 + FOLLOWING_ROWS] if not all(map(is_blank, row))]
    if not below:
        return 0.0
    return sum(_covered(row, columns) for row in below) / len(below)


def _covered(row: Sequence[Cell], columns: Sequence[int]) -> float:
    filled = _filled(row, columns)
    return filled / _all_filled(row) if filled >= min(2, len(columns)) else 0.0


def _filled(row: Sequence[Cell], columns: Sequence[int]) -> int:
    return sum(number < len(row) and not is_blank(row[number]) for number in columns)


def _all_filled(row: Sequence[Cell]) -> int:
    return sum(not is_blank(cell) for cell in row)


def _first_wide_row(rows: Sequence[Sequence[Cell]]) -> int:
    widest = max((_all_filled(row) for row in rows[:SEARCHED_ROWS]), default=0)
    for index, row in enumerate(rows[:SEARCHED_ROWS]):
        filled = [cell for cell in row if not is_blank(cell)]
        if filled and len(filled) >= 0.6 * widest and all(isinstance(cell, str) for cell in filled):
            return index
    return 0


def propose_mapping(
    header_cells: Sequence[Cell], sample_rows: Sequence[Sequence[Cell]], aliases: Mapping[str, Sequence[str]]
) -> dict[int, str | None]:
    """Column index -> field key or None, for every column of header or sample.

    Each field is given once, to the column whose heading names it best; of equals the one with more data, then the
    leftmost.
    """
    width = max([len(header_cells), *map(len, sample_rows)])
    mapping: dict[int, str | None] = dict.fromkeys(range(width))
    candidates = [
        (score, any(column < len(row) and not is_blank(row[column]) for row in sample_rows), -column, field)
        for column, cell in enumerate(header_cells)
        for field, score in _field_scores(cell, aliases).items()
    ]
    taken: set[str] = set()
    for _, _, negative_column, field in sorted(candidates, reverse=True):
        if mapping[-negative_column] is None and field not in taken:
            mapping[-negative_column] = field
            taken.add(field)
    return mapping

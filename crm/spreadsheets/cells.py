"""One cell of a register to one value: dates, amounts, shares, levels, yes or no, text.

Every function takes a cell as `read_table` gives it and raises BadCell, never anything else. A blank cell, and one
that only says there is nothing ('-', 'n/a', 'TBD'), is None.
"""

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

from crm.spreadsheets.table import Cell

DateOrder = Literal["ymd", "dmy", "mdy"]

FIRST_YEAR, LAST_YEAR = 1900, 2200
FIRST_SERIAL, LAST_SERIAL = 20_000, 80_000
SERIAL_ZERO = dt.date(1899, 12, 30)
CENTURY_PIVOT = 70
MAX_QUANTITY_CHARACTERS = 64
MAX_LEVEL_CHARACTERS = 200
MAX_WORD_CHARACTERS = 20
LAST_EXACT_FLOAT = 10**15

_NOTHING = frozenset(
    ("- -- – — / ? n/a na n.a. none null nil tbd tba tbc unknown " + "待定 无 暂无 未定 不适用 未知").split()
)
_YES = frozenset(["yes", "y", "true", "t", "1", "x", "✓", "✔", "☑", "√", "是", "对", "有", "真"])
_NO = frozenset(["no", "n", "false", "f", "0", "✗", "✘", "☐", "×", "否", "无", "不", "假"])

_TIME = r"(?:[T ]\s*[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?\s*(?:am|pm|z|[+-][0-9]{2}:?[0-9]{2})?)?"
_YEAR_FIRST = re.compile(rf"([0-9]{{4}})\s*[-/.年]\s*([0-9]{{1,2}})\s*[-/.月]\s*([0-9]{{1,2}})\s*日?{_TIME}", re.I)
_COMPACT = re.compile(r"((?:19|20|21)[0-9]{2})([0-9]{2})([0-9]{2})")
_THREE_NUMBERS = re.compile(rf"([0-9]{{1,2}})[-/. ]([0-9]{{1,2}})[-/. ]([0-9]{{4}}|[0-9]{{2}}){_TIME}", re.I)
_DAY_MONTH_NAME = re.compile(
    rf"([0-9]{{1,2}})(?:st|nd|rd|th)?[-/. ]*([a-z]{{3,9}})[-/., ]*([0-9]{{4}}|[0-9]{{2}}){_TIME}", re.I
)
_MONTH_NAME_DAY = re.compile(rf"([a-z]{{3,9}})[. ]*([0-9]{{1,2}})(?:st|nd|rd|th)?,? +([0-9]{{4}}){_TIME}", re.I)
_SERIAL = re.compile(r"([0-9]{5})(?:\.[0-9]{1,12})?")
_MONTHS = (
    "january february march april may june july august september october november december".split()  # noqa: SIM905
)

_CURRENCY = (
    r"(?:us\$|hk\$|a\$|c\$|s\$|nt\$|[$€£¥₹₩₽]|usd|eur|gbp|cny|rmb|jpy|hkd|aud|cad|chf|sgd|inr|twd|krw"
    r"|美元|欧元|英镑|港元|日元|人民币|元)"
)
_FACTORS = {
    "k": 1e3, "thousand": 1e3, "千": 1e3,
    "万": 1e4, "十万": 1e5,
    "m": 1e6, "mn": 1e6, "mm": 1e6, "mio": 1e6, "million": 1e6, "百万": 1e6, "千万": 1e7,
    "bn": 1e9, "b": 1e9, "billion": 1e9, "亿": 1e8, "十亿": 1e9, "万亿": 1e12,
}  # fmt: skip
_SUFFIX = "|".join(sorted(map(re.escape, _FACTORS), key=len, reverse=True))
_QUANTITY = re.compile(
    rf"(?P<sign>[-+]?)\s*(?P<before>{_CURRENCY}?)\s*(?P<inner>[-+]?)\s*"
    rf"(?P<digits>[0-9.,][0-9., ']*?)(?P<power>e[-+]?[0-9]{{1,3}})?"
    rf"\s*(?P<factor>(?:{_SUFFIX})?)\.?\s*(?P<after>{_CURRENCY}?)\s*(?P<percent>%?)"
)
_GROUPED = {
    ",": re.compile(r"[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}"),
    ".": re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+"),
    " ": re.compile(r"[0-9]{1,3}(?: [0-9]{3})+"),
    "'": re.compile(r"[0-9]{1,3}(?:'[0-9]{3})+"),
}

_LEVEL_ONLY = re.compile(r"(?:level|lvl|l|等级|级别)?\s*([0-9]{1,3})(?:\.0+)?\s*级?")
_LEVEL_THEN_WORD = re.compile(r"l?([0-9]{1,3})(?:\s*[-–—,:.)=、]\s*|\s*\(|\s+)([^0-9\s].*?)\)?")
_SPACE_ONLY = re.compile(r"l?[0-9]{1,3}\s+[^-–—,:.)=、(]")
_WORD_THEN_LEVEL = re.compile(r"(.*[^0-9\s(=:,–—-])\s*[-–—,:(=]\s*l?([0-9]{1,3})\)?")


class BadCell(Exception):
    """The cell cannot mean what its column asks for. Codes: date, year, number, range, bool, level, unit."""

    def __init__(self, code: str, value: object) -> None:
        self.code = code
        self.value = value
        super().__init__(f"{code}: {_shown(value)}")


def _shown(value: object) -> str:
    """At most 80 characters; an integer of thousands of digits cannot even be printed."""
    try:
        return repr(value)[:80]
    except ValueError:
        return "a very long number"


def text(cell: Cell) -> str:
    """Plain text without characters no workbook can hold or nobody sees; whole floats without '.0'; dates as ISO."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return "".join(filter(_is_printable, cell.replace("\r\n", "\n").replace("\r", "\n"))).strip()
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, dt.date):
        return str(cell).removesuffix(" 00:00:00")
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < LAST_EXACT_FLOAT:
        return str(int(cell))
    try:
        return str(cell)
    except ValueError:
        raise BadCell("number", cell) from None


def _is_printable(character: str) -> bool:
    if character in "\n\t":
        return True
    return unicodedata.category(character) not in ("Cc", "Cs") and character not in "\ufffe\uffff"


def _folded(cell: str) -> str:
    """Half-width, lower case, single spaces, plain minus and apostrophe: what two spellings of a cell share."""
    half_width = unicodedata.normalize("NFKC", cell).replace("−", "-").replace("’", "'")
    return " ".join(half_width.lower().split())


def _says_nothing(cell: Cell) -> bool:
    if not isinstance(cell, str):
        return cell is None
    stripped = cell.strip()
    return not stripped or (len(stripped) <= MAX_WORD_CHARACTERS and _folded(stripped) in _NOTHING)


# Dates


def parse_date(cell: Cell, order: DateOrder) -> dt.date | None:
    """The day; `order` settles '6/8/2026'. Raises BadCell 'date', or 'year' outside 1900 to 2200."""
    if _says_nothing(cell):
        return None
    if isinstance(cell, dt.datetime):
        return _in_years(cell.date(), cell)
    if isinstance(cell, dt.date):
        return _in_years(cell, cell)
    if isinstance(cell, bool) or cell is None:
        raise BadCell("date", cell)
    if isinstance(cell, str):
        return _date_of_text(cell, order)
    if FIRST_SERIAL <= cell <= LAST_SERIAL:
        return SERIAL_ZERO + dt.timedelta(days=int(cell))
    raise BadCell("date", cell)


def _date_of_text(cell: str, order: DateOrder) -> dt.date:
    if len(cell) > MAX_QUANTITY_CHARACTERS:
        raise BadCell("date", cell)
    folded = _folded(cell)
    if match := _YEAR_FIRST.fullmatch(folded) or _COMPACT.fullmatch(folded):
        return _day(int(match[1]), int(match[2]), int(match[3]), cell)
    if match := _THREE_NUMBERS.fullmatch(folded):
        return _day(*_arranged(match[1], match[2], match[3], order), cell)
    if match := _DAY_MONTH_NAME.fullmatch(folded):
        return _day(_year(match[3]), _month(match[2], cell), int(match[1]), cell)
    if match := _MONTH_NAME_DAY.fullmatch(folded):
        return _day(int(match[3]), _month(match[1], cell), int(match[2]), cell)
    if (match := _SERIAL.fullmatch(folded)) and FIRST_SERIAL <= int(match[1]) <= LAST_SERIAL:
        return SERIAL_ZERO + dt.timedelta(days=int(match[1]))
    raise BadCell("date", cell)


def _arranged(first: str, second: str, third: str, order: DateOrder) -> tuple[int, int, int]:
    """Year, month, day. A year of four digits at the end rules out 'ymd'; day first is then the wider custom."""
    if order == "ymd" and len(third) == 2:
        return _year(first.zfill(2)), int(second), int(third)
    if order == "mdy":
        return _year(third), int(first), int(second)
    return _year(third), int(second), int(first)


def _year(digits: str) -> int:
    year = int(digits)
    if len(digits) == 4:
        return year
    return year + (2000 if year < CENTURY_PIVOT else 1900)


def _month(name: str, cell: Cell) -> int:
    for number, month in enumerate(_MONTHS, start=1):
        if name in (month, month[:3], month[:4]):
            return number
    raise BadCell("date", cell)


def _day(year: int, month: int, day: int, cell: Cell) -> dt.date:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise BadCell("year", cell)
    try:
        return dt.date(year, month, day)
    except ValueError:
        raise BadCell("date", cell) from None


def _in_years(day: dt.date, cell: Cell) -> dt.date:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise BadCell("year", cell)
    return day


def guess_date_order(cells: Iterable[Cell]) -> DateOrder:
    """The order that the texts of one column prove; 'dmy' if they prove none. Never raises."""
    day_first = month_first = year_first = undecided = 0
    for cell in cells:
        if not isinstance(cell, str) or len(cell) > MAX_QUANTITY_CHARACTERS:
            continue
        folded = _folded(cell)
        if _YEAR_FIRST.fullmatch(folded) or _COMPACT.fullmatch(folded):
            year_first += 1
        elif match := _THREE_NUMBERS.fullmatch(folded):
            undecided += 1
            day_first += int(match[1]) > 12
            month_first += int(match[2]) > 12
    if month_first > day_first:
        return "mdy"
    return "ymd" if year_first and not undecided else "dmy"


# Amounts and shares


def parse_number(cell: Cell) -> float | None:
    """A finite amount in single units: '$1.5k' is 1500.0, '(500)' is -500.0, '12 %' is 0.12. Raises BadCell 'number'.

    One comma before three digits divides thousands ('1,234'); one point is always decimal ('1.234').
    """
    if _says_nothing(cell):
        return None
    if isinstance(cell, str):
        return _number_of_text(cell)
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise BadCell("number", cell)
    return _finite(cell, cell)


def _finite(number: float, cell: Cell) -> float:
    try:
        finite = float(number)
    except OverflowError:
        raise BadCell("number", cell) from None
    if not math.isfinite(finite):
        raise BadCell("number", cell)
    return finite


def _number_of_text(cell: str) -> float:
    match = _quantity(cell)
    if match is None:
        raise BadCell("number", cell)
    if (match["sign"] and match["inner"]) or (match["percent"] and (match["before"] or match["after"])):
        raise BadCell("number", cell)
    number = _finite(float(_plain_digits(match["digits"].strip(), cell) + (match["power"] or "")), cell)
    number = _finite(number * _FACTORS.get(match["factor"], 1.0), cell)
    if match["percent"]:
        number /= 100
    negative = (match["sign"] + match["inner"]) == "-" or _folded(cell).startswith("(")
    return -number if negative and number else number


def _quantity(cell: str) -> re.Match[str] | None:
    """The parts of an amount in text; accountants' brackets are taken off first."""
    if len(cell) > MAX_QUANTITY_CHARACTERS:
        return None
    folded = _folded(cell)
    if folded.startswith("(") and folded.endswith(")"):
        folded = folded[1:-1].strip()
        if folded.startswith(("-", "+")):
            return None
    return _QUANTITY.fullmatch(folded)


def _plain_digits(digits: str, cell: Cell) -> str:
    """Without thousands separators and with a decimal point. Raises BadCell 'number' for muddled groups."""
    whole, fraction = _split_decimals(digits)
    for separator, pattern in _GROUPED.items():
        if separator in whole:
            if not pattern.fullmatch(whole):
                raise BadCell("number", cell)
            whole = whole.replace(separator, "")
    if not (whole + fraction).isdecimal():
        raise BadCell("number", cell)
    return f"{whole or '0'}.{fraction or '0'}"


def _split_decimals(digits: str) -> tuple[str, str]:
    """Which of comma and point is the decimal one: the last of two kinds, or one that cannot be a group's."""
    comma, point = digits.rfind(","), digits.rfind(".")
    mark = "," if comma > point else "."
    if max(comma, point) < 0 or digits.count(mark) > 1:
        return digits, ""
    if mark == "," and point < 0 and _GROUPED[","].fullmatch(digits):
        return digits, ""
    whole, _, fraction = digits.rpartition(mark)
    return whole, fraction


def parse_share(cell: Cell) -> float | None:
    """A share of one: '30%', 0.3 and 30 are all 0.3. Raises BadCell 'number', or 'range' outside 0 to 100 %."""
    number = parse_number(cell)
    if number is None:
        return None
    match = _quantity(cell) if isinstance(cell, str) else None
    if match and (match["before"] or match["after"] or match["factor"]):
        raise BadCell("number", cell)
    if number > 1 and not (match and match["percent"]):
        number /= 100
    if not 0 <= number <= 1:
        raise BadCell("range", cell)
    return number


# Yes or no


def parse_bool(cell: Cell) -> bool | None:
    """Yes or no in the ways people tick a list, English or Chinese. Raises BadCell 'bool'."""
    if isinstance(cell, bool):
        return cell
    word = text(cell)
    word = _folded(word) if len(word) <= MAX_WORD_CHARACTERS else word
    if word in _YES:
        return True
    if word in _NO:
        return False
    if _says_nothing(cell):
        return None
    raise BadCell("bool", cell)


# Levels


def parse_level(cell: Cell, labels: Sequence[Sequence[str]], ranges: Sequence[tuple[float, float]]) -> int | None:
    """A level from 1, as a number, a word of `labels`, or an amount inside one of `ranges` (both lowest level first).

    Whole numbers from 1 to n are levels. '30%' and numbers between 0 and 1 are shares; an amount with currency, suffix
    or thousands separators is money. Ranges that all lie within 0 to 1 take shares, others take money. An amount
    outside all ranges is at the nearest end. Raises BadCell 'level', 'unit' (share where money is meant, or the
    other way round), 'range' (below zero) or 'number'.
    """
    # Labels first: 'None' may well be the lowest level of a scale.
    if labelled := _labelled(cell, labels) if isinstance(cell, str) and len(cell) <= MAX_LEVEL_CHARACTERS else None:
        return labelled
    if _says_nothing(cell):
        return None
    count = max(len(labels), len(ranges))
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        raise BadCell("level", cell)
    if isinstance(cell, str):
        return _level_of_text(cell, labels, ranges, count)
    return _level_of_number(_finite(cell, cell), ranges, count, cell)


def _level_of_number(number: float, ranges: Sequence[tuple[float, float]], count: int, cell: Cell) -> int:
    if number.is_integer() and 1 <= number <= count:
        return int(number)
    if 0 < number < 1:
        return _level_of_amount(number, ranges, is_share=True, cell=cell)
    raise BadCell("level", cell)


def _level_of_text(
    cell: str, labels: Sequence[Sequence[str]], ranges: Sequence[tuple[float, float]], count: int
) -> int:
    if len(cell) > MAX_LEVEL_CHARACTERS:
        raise BadCell("level", cell)
    level = _numbered(cell, labels, count)
    if level:
        return level
    match = _quantity(cell)
    if match is None:
        raise BadCell("level", cell)
    number = _number_of_text(cell)
    if match["percent"]:
        return _level_of_amount(number, ranges, is_share=True, cell=cell)
    whole, _ = _split_decimals(match["digits"].strip())
    if match["before"] or match["after"] or match["factor"] or any(separator in whole for separator in _GROUPED):
        return _level_of_amount(number, ranges, is_share=False, cell=cell)
    return _level_of_number(number, ranges, count, cell)


def _labelled(cell: str, labels: Sequence[Sequence[str]]) -> int | None:
    word = _word(cell)
    for level, spellings in enumerate(labels, start=1):
        if word and any(word == _word(spelling) for spelling in spellings):
            return level
    return None


def _word(label: str) -> str:
    return re.sub(r"[\s_-]+", "", _folded(label))


def _numbered(cell: str, labels: Sequence[Sequence[str]], count: int) -> int | None:
    """'4', 'L4', '4 - Major', 'Major (4)'. A word that belongs to another level is a contradiction: BadCell."""
    folded = _folded(cell)
    if match := _LEVEL_ONLY.fullmatch(folded):
        digits, word = match[1], ""
    elif match := _LEVEL_THEN_WORD.fullmatch(folded):
        digits, word = match[1], match[2]
    elif match := _WORD_THEN_LEVEL.fullmatch(folded):
        digits, word = match[2], match[1]
    else:
        return None
    level = int(digits)
    known = _labelled(word, labels)
    if word and not known and (_quantity(cell) or _SPACE_ONLY.match(folded)):
        return None  # '5 k' and '3 EUR' are money, '4 weeks' is no level
    if not 1 <= level <= count or known not in (None, level):
        raise BadCell("level", cell)
    return level


def _level_of_amount(number: float, ranges: Sequence[tuple[float, float]], *, is_share: bool, cell: Cell) -> int:
    """The last range that starts at or below the amount; a gap belongs to the range under it."""
    if not ranges:
        raise BadCell("level", cell)
    if number < 0:
        raise BadCell("range", cell)
    if is_share != (max(high for _, high in ranges) <= 1):
        raise BadCell("unit", cell)
    return max(1, sum(low <= number for low, _ in ranges))

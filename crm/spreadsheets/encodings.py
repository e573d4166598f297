"""Which characters the bytes of a CSV file stand for."""

import codecs
import unicodedata
from collections import Counter

from crm.spreadsheets.unreadable import UnreadableFile

SAMPLE_CHARACTERS = 200_000
LAST_EVERYDAY_LEAD_BYTE = 0xD7  # of GB 2312
# Vertical tab, form feed, file separators and Ctrl-Z turn up in exports of mail programs and old databases.
_HARMLESS_CONTROLS = frozenset("\t\n\r\x0b\x0c\x1a\x1c\x1d\x1e\x1f\x85")


def decode(data: bytes) -> tuple[str, str]:
    """Return (text, encoding name). Raises UnreadableFile 'binary' or 'encoding'."""
    text, encoding = _decode_marked(data) or _decode_unmarked(data)
    if "\0" in text or _control_share(text) > 0.005:
        raise UnreadableFile("binary")
    return text.rstrip("\x1a"), encoding


def _decode_marked(data: bytes) -> tuple[str, str] | None:
    marks = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
    for mark, encoding in marks:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode("utf-8" if encoding == "utf-8-sig" else encoding), encoding
            except UnicodeDecodeError:
                raise UnreadableFile("encoding") from None
    return None


def _decode_unmarked(data: bytes) -> tuple[str, str]:
    if b"\0" in data:
        return _decode_utf16(data)
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        _refuse_damaged_utf8(data, error)
    chinese = _strictly(data, "gb18030")
    if chinese is not None and _looks_chinese(chinese):
        return chinese, "gb18030"
    western = _strictly(data, "cp1252")
    if western is not None and _looks_western(western):
        return western, "cp1252"
    raise UnreadableFile("binary" if western is None and _control_share(data.decode("latin-1")) > 0.005 else "encoding")


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _decode_utf16(data: bytes) -> tuple[str, str]:
    for encoding in ("utf-16-le", "utf-16-be"):
        text = _strictly(data, encoding)
        if text is not None and _looks_like_lines(text[:SAMPLE_CHARACTERS]):
            return text, encoding
    raise UnreadableFile("binary")


def _looks_like_lines(text: str) -> bool:
    """The wrong byte order turns line breaks into letters, and most text into characters nobody has assigned."""
    breaks = text.count("\n") + text.count("\r")
    narrow = sum(character < "\u0100" for character in text)
    return breaks > 0 and narrow >= 0.05 * len(text) and all(map(_is_written, set(text)))


def _is_written(character: str) -> bool:
    return character in _HARMLESS_CONTROLS or unicodedata.category(character) not in ("Cc", "Cn", "Co", "Cs")


def _refuse_damaged_utf8(data: bytes, error: UnicodeDecodeError) -> None:
    """UTF-8 with a few broken bytes would decode as something else without complaint, and to nonsense."""
    text = data.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    sound = sum(character > "\x7f" for character in text) - broken
    if sound > 10 * broken:
        raise UnreadableFile("encoding", line=data.count(b"\n", 0, error.start) + 1) from None


def _looks_chinese(text: str) -> bool:
    """Western accents pair up with the letter after them into rare characters; Chinese has few of those."""
    counts = Counter(character for character in text[:SAMPLE_CHARACTERS] if character > "\x7f")
    if any(unicodedata.category(character) == "Co" for character in counts):
        return False  # nobody types private characters; misread Russian is full of them
    everyday = sum(count for character, count in counts.items() if _is_everyday(character))
    return everyday >= 0.6 * counts.total()


def _is_everyday(character: str) -> bool:
    """Punctuation or one of the 3755 common characters; Cyrillic misread lands among the rare ones after them."""
    try:
        return character.encode("gb2312")[0] <= LAST_EVERYDAY_LEAD_BYTE
    except UnicodeEncodeError:
        return False


def _looks_western(text: str) -> bool:
    sample = text[:SAMPLE_CHARACTERS]
    return sum(character > "\x7f" for character in sample) <= 0.4 * len(sample)


def _control_share(text: str) -> float:
    sample = text[:SAMPLE_CHARACTERS]
    controls = sum(character < " " and character not in _HARMLESS_CONTROLS for character in sample)
    return controls / max(len(sample), 1)

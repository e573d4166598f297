"""How alike two titles are, for the duplicates shown while typing. Plain; works for Chinese, too."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_WORD = re.compile(r"[0-9a-z]+|[一-鿿]+")
_WORDS_OF_LITTLE_MEANING = "a an and are at be by for from in is it of on or our that the to we with"
_STOP = frozenset(_WORDS_OF_LITTLE_MEANING.split())


def terms(text: str) -> frozenset[str]:
    """The parts two titles are compared by: words cut to their stem's length, and pairs of Chinese characters."""
    found: set[str] = set()
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).lower()):
        if word[0] >= "一":
            found.update(word[i : i + 2] for i in range(max(1, len(word) - 1)))
        elif word not in _STOP:
            found.add(word[:5])  # "delivery" and "deliveries", "price" and "prices" meet
    return frozenset(found)


def likeness(left: frozenset[str], right: frozenset[str]) -> float:
    """Sørensen-Dice coefficient of two sets of terms, 0 to 1."""
    if not left or not right:
        return 0.0
    return 2 * len(left & right) / (len(left) + len(right))


def most_alike(text: str, candidates: Iterable[tuple[int, str]], *, at_least: float = 0.34, most: int = 5) -> list[int]:
    """Ids of the (id, title) candidates most like the text, best first."""
    wanted = terms(text)
    scored = [(likeness(wanted, terms(title)), pk) for pk, title in candidates]
    return [pk for score, pk in sorted(scored, key=lambda item: (-item[0], item[1])) if score >= at_least][:most]

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risks.similarity import likeness, most_alike, terms

texts = st.text(alphabet=st.sampled_from("abc delivery price 0 1 价格战泵 ，。é"), max_size=30)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Price war in pumps", {"price", "war", "pumps"}),
        ("The deliveries, to the plant!", {"deliv", "plant"}),
        ("竞争对手降价", {"竞争", "争对", "对手", "手降", "降价"}),
        ("价", {"价"}),
        ("Siemens 降价 2026", {"sieme", "降价", "2026"}),
        ("ＰＲＩＣＥ　１２", {"price", "12"}),  # full width
        ("  … – 。", set()),
        ("", set()),
    ],
)
def test_terms_are_word_stems_and_pairs_of_characters(text: str, found: set[str]) -> None:
    assert terms(text) == found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Delivery delayed", "Deliveries delayed"),
        ("PRICE WAR", "price war"),
        ("The price of the pump", "Price, pump"),
        ("竞争对手降价！", "竞争对手降价"),
    ],
)
def test_the_same_thing_said_twice_is_wholly_alike(one: str, other: str) -> None:
    assert likeness(terms(one), terms(other)) == 1.0


def test_likeness_is_twice_the_shared_by_all() -> None:
    assert likeness(terms("price war pumps"), terms("price war valves china")) == pytest.approx(2 * 2 / 7)
    assert likeness(terms("竞争对手降价"), terms("对手降价")) == pytest.approx(2 * 3 / 8)


def test_nothing_is_like_nothing() -> None:
    assert likeness(frozenset(), frozenset()) == 0.0
    assert likeness(terms("price"), frozenset()) == 0.0


@given(texts, texts)
def test_likeness_is_a_share_and_looks_both_ways(one: str, other: str) -> None:
    left, right = terms(one), terms(other)
    assert 0 <= likeness(left, right) <= 1
    assert likeness(left, right) == likeness(right, left)
    assert likeness(left, left) == (1.0 if left else 0.0)


def test_the_best_come_first_and_the_older_of_two_equals() -> None:
    candidates = [
        (4, "Price war in the pump market"),
        (3, "Price war in pumps"),
        (2, "Price war in pumps"),
        (1, "Key account leaves"),
    ]
    assert most_alike("Price war in pumps", candidates) == [2, 3, 4]


def test_chinese_titles_are_ranked_as_well() -> None:
    candidates = [(1, "大客户流失"), (2, "竞争对手大幅降价"), (3, "竞争对手降价"), (4, "原材料涨价")]
    assert most_alike("主要竞争对手降价", candidates) == [3, 2]


def test_the_threshold_itself_counts() -> None:
    candidates = [(1, "alpha beta"), (2, "alpha gamma delta")]
    assert most_alike("alpha", candidates, at_least=0.5) == [1, 2]
    assert most_alike("alpha", candidates, at_least=0.51) == [1]
    assert most_alike("alpha", candidates, at_least=0.7) == []


def test_gives_no_more_than_asked_for() -> None:
    candidates = [(n, "Price war") for n in range(9)]
    assert most_alike("Price war", candidates) == [0, 1, 2, 3, 4]
    assert most_alike("Price war", candidates, most=2) == [0, 1]


def test_an_empty_text_is_like_nothing() -> None:
    assert most_alike("", [(1, ""), (2, "Price war")]) == []

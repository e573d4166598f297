import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from responses.measure_text import Measure, Step, read, write

# Whatever a person can type; what the marks of the format are made of comes up often.
LETTERS = st.characters(exclude_categories=("Cc", "Cs"))
MARKS = st.sampled_from(
    ["|", " | ", "\\", "\\n", "\\p", "\\_", "- ", "1. ", "2) ", "• ", "(3) ", "  ", "confidence: 80 %", "风险", "一、"]
)
PIECES = st.lists(LETTERS | MARKS, min_size=1, max_size=12).map("".join)
TITLES = PIECES.map(lambda text: text.strip()[:200].strip()).filter(bool)
DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2200, 12, 31))
TEXTS = st.just("") | st.lists(PIECES | st.just("\n"), max_size=5).map("".join)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    status = draw(st.sampled_from(["planned", "in_progress", "done", "cancelled"]))
    return Step(
        title=draw(TITLES),
        status=status,
        done_on=draw(DAYS) if status == "done" else None,
        due=draw(st.none() | DAYS),
        owner=draw(st.sampled_from(["", "tom", "li.hua@example.com", "李华", "a-b+c_d"])),
        cost=draw(st.decimals(0, Decimal("999999999999.99"), places=2)),
        effect=draw(st.integers(0, 95)),
    )


MEASURES = st.lists(
    st.builds(
        Measure,
        title=TITLES,
        description=TEXTS,
        trigger=PIECES.map(str.strip) | st.just(""),
        confidence=st.integers(1, 100),
        steps=st.lists(steps(), max_size=3),
    ),
    max_size=4,
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(MEASURES)
@example([Measure("- a | b\\", "\n", " \\_", 1, [Step("1. due | owner -")])])
@example([Measure("confidence: 80 %"), Measure("x" * 200), Measure("a\u2028b\ufeff")])
@example([Measure("C:\\new\\plan"), Measure("\\_"), Measure("a\\")])
def test_what_was_written_reads_back(measures: list[Measure]) -> None:
    assert read(write(measures)) == measures


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text())
def test_any_text_reads_and_is_normal_after_one_reading(text: str) -> None:
    once = read(text)
    assert read(write(once)) == once
    assert all(measure.title for measure in once)


def test_it_looks_like_this() -> None:
    done = Step("Book the dates", "done", dt.date(2026, 3, 1), dt.date(2026, 2, 20), "tom", Decimal("500.00"), 20)
    text = (
        "Quarterly business reviews\n"
        "  confidence: 70 %\n"
        "  description: With the buyer\\nand her manager\n"
        "  trigger: Silence for a week\n"
        "  - Book the dates | done 2026-03-01 | due 2026-02-20 | owner tom | cost 500 | effect 20 %\n"
        "  - Hold them | planned | due - | owner - | cost 0 | effect 0 %\n"
        "Second source\n"
        "  confidence: 80 %"
    )
    reviews = Measure(
        "Quarterly business reviews",
        "With the buyer\nand her manager",
        "Silence for a week",
        70,
        [done, Step("Hold them")],
    )
    assert write([reviews, Measure("Second source")]) == text
    assert read(text) == [reviews, Measure("Second source")]


def test_line_breaks_of_every_kind_in_a_description_stay_one_description() -> None:
    [measure] = read(write([Measure("Visit", "one\r\ntwo\rthree\nfour")]))
    assert measure == Measure("Visit", "one\ntwo\nthree\nfour")


@pytest.mark.parametrize(
    ("cell", "titles"),
    [
        ("Call the buyer", ["Call the buyer"]),
        ("- Call the buyer\n- Visit her", ["Call the buyer", "Visit her"]),
        ("1. Call\r\n2) Visit\r\n\r\n(3) Write", ["Call", "Visit", "Write"]),
        ("• 拜访客户\n1、 签订框架协议", ["拜访客户", "签订框架协议"]),
        ("  indented\n\tand tabbed", ["indented", "and tabbed"]),
        ("-", ["-"]),
        ("confidence: 80 %", ["confidence: 80 %"]),
        ("Keep \\\\server\\new\\plan, a|b", ["Keep \\\\server\\new\\plan, a|b"]),
        ("", []),
        (" \n \n", []),
    ],
)
def test_plain_text_of_other_registers_becomes_one_response_a_line(cell: str, titles: list[str]) -> None:
    assert read(cell) == [Measure(title) for title in titles]


def test_a_line_too_long_for_a_title_is_kept_whole_as_the_description() -> None:
    [measure] = read("y" * 300)
    assert measure == Measure("y" * 199 + "…", description="y" * 300)


@pytest.mark.parametrize(
    "line",
    [
        "  - Book | done | due - | owner - | cost 0 | effect 0 %",  # done when?
        "  - Book | planned 2026-01-01 | due - | owner - | cost 0 | effect 0 %",
        "  - Book | planned | due 0000-00-00 | owner - | cost 0 | effect 0 %",
        "  - Book | planned | due - | owner - | cost -1 | effect 0 %",
        "  - Book | planned | due - | owner - | cost NaN | effect 0 %",
        "  - Book | planned | due - | owner - | cost sNaN | effect 0 %",
        "  - Book | planned | due - | owner - | cost 1e400 | effect 0 %",
        "  - Book | planned | due - | owner - | cost 999999999999.999 | effect 0 %",
        "  - Book | planned | due - | owner - | cost 0 | effect 96 %",
        "  - Book | planned | due - | owner - | cost 0 | effect " + "9" * 5000 + " %",
        "  - Book | dreamt | due - | owner - | cost 0 | effect 0 %",
        "  - Book | planned | due -",
    ],
)
def test_a_step_that_cannot_be_is_no_step(line: str) -> None:
    visit, other = read(f"Visit\n  confidence: 80 %\n{line}")
    assert visit == Measure("Visit")
    assert other.title.startswith("Book | ")
    assert other.steps == []


def test_a_cost_is_rounded_to_what_the_register_keeps() -> None:
    [visit] = read("Visit\n  - Book | planned | due - | owner - | cost 0.126 | effect 0 %")
    assert visit.steps == [Step("Book", cost=Decimal("0.13"))]


@pytest.mark.parametrize("line", ["  confidence: 0 %", "  confidence: 101 %", "  confidence: high", "  doubts: some"])
def test_a_detail_that_cannot_be_is_a_line_of_its_own(line: str) -> None:
    assert read(f"Visit\n{line}") == [Measure("Visit"), Measure(line.strip())]

"""The chart of a risk's score: as judged then, as restated by today's method, and a mark where the method changed."""

from __future__ import annotations

import copy
import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.template import Context, Template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from assessments import versions
from assessments.default_method import DEFAULT_METHOD
from assessments.method import read_method
from assessments.models import Method
from assessments.queries import active_method
from riskreg.accounts.models import User
from riskreg.jobs import actions as jobs
from risks.models import Risk, ScoreEntry
from risks.templatetags.risk_tags import score_chart
from tests.conftest import assess

MakeRisk = Callable[..., Risk]

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
BANDS = read_method(DEFAULT_METHOD, version=2).bands


@pytest.fixture(autouse=True)
def _monday_morning() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def entry(score: float | None, *, day: float, version: int | None = 1) -> ScoreEntry:
    return ScoreEntry(at=NOW + day * DAY, score=score, method_version=version, cause="judgement")


def drawn(entries: Sequence[ScoreEntry], restated: Sequence[float | None] | None = None) -> dict[str, Any]:
    return score_chart(Context({"bands": BANDS}), list(entries), restated)


def rendered(entries: Sequence[ScoreEntry], restated: Sequence[float | None] | None = None) -> str:
    template = Template("{% load risk_tags %}{% score_chart entries restated %}")
    return template.render(Context({"bands": BANDS, "entries": list(entries), "restated": restated}))


# --- where the lines go ------------------------------------------------------------------------------------


def test_a_score_is_kept_until_the_next() -> None:
    chart = drawn([entry(0.0, day=0), entry(25.0, day=1), entry(100.0, day=4)])
    assert chart["path"] == "M8.0 100.0H154.0V75.0H592.0V0.0"


def test_one_value_is_in_the_middle_and_values_of_one_moment_at_the_left() -> None:
    assert drawn([entry(40.0, day=0)])["path"] == "M300.0 60.0"
    assert drawn([entry(40.0, day=0), entry(50.0, day=0)])["path"] == "M8.0 60.0H8.0V50.0"


def test_nothing_known_is_no_chart() -> None:
    for entries in ([], [entry(None, day=0)], [entry(None, day=0), entry(None, day=1)]):
        assert drawn(entries) == {"known": []}
        assert rendered(entries).strip() == ""
    assert drawn([entry(None, day=0)], [12.0]) == {"known": []}


def test_what_was_unassessed_in_between_is_left_out() -> None:
    chart = drawn([entry(50.0, day=0), entry(None, day=1, version=None), entry(20.0, day=2)])
    assert chart["path"] == "M8.0 50.0H592.0V80.0"
    assert (len(chart["known"]), chart["changes"], chart["again"]) == (2, [], "")


def test_the_stripes_are_the_bands_in_force() -> None:
    chart = drawn([entry(50.0, day=0)])
    assert [(s["colour"], s["y"], s["height"]) for s in chart["stripes"]] == [
        ("green", 65, 35), ("yellow", 42, 23), ("orange", 25, 17), ("red", 0.0, 25.0),
    ]  # fmt: skip
    assert sum(s["height"] for s in chart["stripes"]) == 100


# --- two lines and a mark ----------------------------------------------------------------------------------


def test_under_one_method_there_is_one_line_and_no_mark() -> None:
    entries = [entry(50.0, day=0), entry(20.0, day=2)]
    chart = drawn(entries, [50.0, 20.0])
    assert (chart["again"], chart["changes"]) == ("", [])
    page = rendered(entries, [50.0, 20.0])
    assert (page.count('class="line"'), page.count("line-again"), page.count("method-change")) == (1, 0, 0)
    assert "as judged then" not in page


def test_where_the_method_changed_there_is_a_mark_and_a_second_line() -> None:
    entries = [entry(60.0, day=0), entry(40.0, day=1), entry(10.0, day=3, version=2), entry(30.0, day=4, version=2)]
    chart = drawn(entries, [15.0, 5.5, 10.0, 30.0])
    assert chart["path"] == "M8.0 40.0H154.0V60.0H446.0V90.0H592.0V70.0"
    assert chart["again"] == "M8.0 85.0H154.0V94.5H446.0V90.0H592.0V70.0"
    assert [(c["x"], c["version"], c["entry"]) for c in chart["changes"]] == [(446.0, 2, entries[2])]


def test_each_change_has_its_mark() -> None:
    entries = [entry(50.0 + n, day=n, version=v) for n, v in enumerate([1, 2, 2, 3, 5])]
    chart = drawn(entries, [50.0 + n for n in range(5)])
    assert [(c["x"], c["version"]) for c in chart["changes"]] == [(154.0, 2), (446.0, 3), (592.0, 5)]


def test_a_change_while_the_risk_was_unassessed_is_marked_where_it_is_scored_again() -> None:
    entries = [entry(50.0, day=0), entry(None, day=1, version=None), entry(20.0, day=2, version=2)]
    chart = drawn(entries, [12.0, None, 20.0])
    assert [(c["x"], c["version"]) for c in chart["changes"]] == [(592.0, 2)]
    assert (chart["path"], chart["again"]) == ("M8.0 50.0H592.0V80.0", "M8.0 88.0H592.0V80.0")


def test_what_nobody_can_restate_is_left_out_of_the_second_line() -> None:
    entries = [entry(60.0, day=0), entry(40.0, day=1), entry(10.0, day=3, version=2), entry(30.0, day=4, version=2)]
    chart = drawn(entries, [None, 5.0, 10.0, 30.0])
    assert chart["path"].startswith("M8.0 40.0H154.0")
    assert chart["again"] == "M154.0 95.0H446.0V90.0H592.0V70.0"
    nothing = drawn(entries, [None] * 4)
    assert (nothing["again"], len(nothing["changes"])) == ("", 1)
    assert 'class="line-again" d="M8' not in rendered(entries, [None] * 4)


def test_restated_to_nothing_to_lose_is_drawn_at_the_bottom() -> None:
    entries = [entry(60.0, day=0), entry(10.0, day=4, version=2)]
    assert drawn(entries, [0.0, 10.0])["again"] == "M8.0 100.0H592.0V90.0"


def test_without_restated_scores_the_marks_are_there_all_the_same() -> None:
    entries = [entry(60.0, day=0), entry(10.0, day=4, version=2)]
    chart = drawn(entries)
    assert (chart["again"], len(chart["changes"])) == ("", 1)


def test_the_two_lists_must_be_of_one_length() -> None:
    with pytest.raises(ValueError, match="zip"):
        drawn([entry(60.0, day=0), entry(10.0, day=4)], [60.0])


# --- what is said ------------------------------------------------------------------------------------------


def test_the_picture_says_in_words_what_it_shows() -> None:
    entries = [entry(60.0, day=0), entry(10.0, day=3, version=2), entry(12.0, day=5, version=3)]
    page = rendered(entries, [15.0, 10.0, 12.0])
    label = re.search(r'role="img" aria-label="([^"]*)"', page)
    assert label is not None
    assert label.group(1) == "Score over time: 3 values; method 2 from 5 Mar 2026; method 3 from 7 Mar 2026"
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "2 Mar 2026 7 Mar 2026" in text
    for words in ("as judged then", "restated by today's method", "method 2 from 5 Mar 2026"):
        assert words in text.replace("&#x27;", "'")
    # Both lines, their two keys in the legend, and two marks with theirs.
    assert (page.count('class="line"'), page.count('class="line-again"'), page.count('class="method-change"')) == (
        2,
        2,
        4,
    )
    assert "style=" not in page


def test_the_legend_names_the_second_line_only_where_it_is_drawn() -> None:
    page = rendered([entry(60.0, day=0), entry(10.0, day=4, version=2)], [None, None])
    assert "line-again" not in page


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_numbers_in_the_picture_are_for_machines_in_every_language(language: str) -> None:
    entries = [entry(60.123, day=0), entry(10.5, day=3.21, version=2), entry(99.95, day=5, version=2)]
    with translation.override(language):
        page = rendered(entries, [15.04, 10.5, 99.95])
    numbers = re.findall(r' (?:d|x|y|width|height)="([^"]*)"', page)
    assert len(numbers) > 10
    assert all(re.fullmatch(r"[MHV0-9. ]+", number) for number in numbers)
    assert "M8.0 39.9H" in page


# --- on the page of a risk ---------------------------------------------------------------------------------


def put_in_force(**other: Any) -> None:
    method = versions.draft_from(source=Method.objects.get(state="active"), by=None, at=NOW)
    definition = copy.deepcopy(DEFAULT_METHOD) | other
    versions.save_draft(method=method, definition=definition, note="", at=NOW, seen=NOW)
    versions.schedule(method=method, when=None, by=None, at=NOW)
    assert method.job is not None
    assert jobs.run(method.job, now_fn=lambda: NOW)


def lines(page: str) -> tuple[str, str]:
    chart = page[page.index('class="score-chart"') : page.index("</svg>", page.index('class="score-chart"'))]
    again = re.search(r'class="line-again" d="([^"]*)"', chart)
    then = re.search(r'class="line" d="([^"]*)"', chart)
    assert then is not None
    return then.group(1), again.group(1) if again else ""


def test_the_page_of_a_risk_draws_both(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(cast.max)
    risk = make_risk(at=NOW - 40 * DAY)
    for n, levels in enumerate([(2, 2), (3, 3), (5, 4)]):
        assess(risk, *levels, at=NOW - (40 - 10 * n) * DAY)
    address = reverse("risks:show", args=[risk.pk])
    assert lines(client.get(address).content.decode())[1] == ""
    put_in_force(formula="product")
    assess(risk, 3, 3, at=NOW + 10 * DAY)
    then, again = lines(client.get(address).content.decode())
    scores = [e.score for e in ScoreEntry.objects.filter(risk=risk).order_by("at")]
    # By the product of levels these were 4 x 2 x 2, 4 x 3 x 3, 4 x 5 x 4: what the rules row, too, says of the third.
    restated = [16.0, 36.0, 80.0, 80.0, 36.0]
    assert scores[3:] == restated[3:]
    xs = [8.0, 124.8, 241.6, 475.2, 592.0]
    assert then == drawn_by_hand(xs, scores)
    assert again == drawn_by_hand(xs, restated)


def drawn_by_hand(xs: list[float], scores: list[float]) -> str:
    ys = [round(100 - score, 1) for score in scores]
    return f"M{xs[0]} {ys[0]}" + "".join(f"H{x}V{y}" for x, y in zip(xs[1:], ys[1:], strict=True))


def test_rows_from_before_their_steps_were_kept_are_drawn_as_judged_then_only(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: Callable[[User], Client]
) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - 20 * DAY)
    reference = ScoreEntry.objects.get(risk=risk).factors[0]["ref"]
    ScoreEntry.objects.create(
        risk=risk, at=NOW - 10 * DAY, cause="evidence", method_version=1, score=77.0, band=4, exposure=1e5,
        factors=[
            {"kind": "judgement", "ref": reference, "label": "", "exposure": 1e4},
            {"kind": "evidence", "ref": 1, "label": "heard", "exposure": 1e5},
        ],
    )  # fmt: skip
    put_in_force(formula="product")
    entries = list(ScoreEntry.objects.filter(risk=risk).order_by("at"))
    assert active_method().restated(entries) == [36.0, None, 36.0]
    then, again = lines(sign_in(cast.max).get(reverse("risks:show", args=[risk.pk])).content.decode())
    assert (then.count("H"), again) == (2, "M8.0 64.0H592.0V64.0")


def test_a_history_of_many_versions_needs_no_more_statements(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(cast.max)
    risk = make_risk(levels=(3, 3), at=NOW - 20 * DAY)
    address = reverse("risks:show", args=[risk.pk])

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    for n in range(2):
        put_in_force(formula="product" if n % 2 else "exposure")
        assess(risk, 3, 3, at=NOW + n * HOUR)
    few = statements()
    for n in range(2, 7):
        put_in_force(formula="product" if n % 2 else "exposure")
        assess(risk, 3 + n % 2, 3, at=NOW + n * HOUR)
    assert statements() == few

"""Columns into tables and back, on whichever database the suite runs: what goes in comes out, and nothing else moves.

The table is the tests' own, so that every kind of column, NULLs and a constraint are in one place.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.db import DatabaseError, DataError, IntegrityError, connection, models, transaction
from django.db.models import Avg, Case, Count, F, Max, Min, Q, Sum, Value, When
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from riskreg import arrays

UTC = dt.UTC
NAT_DAY, NAT = np.datetime64("NaT", "D"), np.datetime64("NaT", "us")
KINDS: tuple[arrays.Kind, ...] = ("int", "float", "day", "moment")
DTYPES = [np.dtype(name) for name in ("int64", "float64", "datetime64[D]", "datetime64[us]")]
# One of each path of update() on PostgreSQL: a VALUES list up to 500 rows, a temporary table beyond.
SIZES = [1, 500, 501, 2000]
TEXTS = [
    "",
    " ",
    "a tab\tand another\t",
    "two\nlines\n",
    "carriage\r\nreturn\r",
    "back\\slash \\N \\. \\t \\\\",
    "\\N",
    "\\.",
    "'single' \"double\" `back` %s %(name)s %% $1 :x ?",
    "竞争对手降价，客户流失；“风险”",
    "🚨 pumps 👩‍👩‍👧 𝄞",
    "\x01\x08\x0b\x0c\x1f\x7f\x85\u2028\u2029\ufeff",
    "NaN",
    "NULL",
    "-infinity",
    "0123",
]


class Sample(models.Model):
    whole = models.BigIntegerField(null=True)
    small = models.PositiveSmallIntegerField(default=0)
    level = models.PositiveSmallIntegerField(null=True)
    count = models.PositiveIntegerField(null=True)
    share = models.FloatField(null=True, db_column="share_kept")
    day = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    text = models.TextField(null=True)  # noqa: DJ001 - NULL and the empty string must stay apart
    short = models.CharField(max_length=5, default="")
    facts: Any = models.JSONField(null=True)
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True)

    class Meta:
        app_label = "arrays_under_test"
        constraints = [models.CheckConstraint(condition=Q(whole__gte=0), name="whole_not_negative")]

    def __str__(self) -> str:
        return str(self.pk)


@pytest.fixture(autouse=True)
def _table(db: None) -> None:
    """Made in the test's own transaction, and gone with it."""
    editor = connection.SchemaEditorClass(connection, collect_sql=True)
    editor.deferred_sql = []
    sql, parameters = editor.table_sql(Sample)
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


def columns(*names: str) -> tuple[np.ndarray, ...]:
    """Those columns as Django's own reading gives them, by id."""
    rows = list(Sample.objects.order_by("pk").values_list(*names))
    return tuple(np.array(values, dtype=object) for values in zip(*rows, strict=True))


def read(*names: str) -> tuple[np.ndarray, ...]:
    kinds: dict[str, arrays.Kind] = {"pk": "int", "whole": "int", "share": "float", "day": "day", "moment": "moment"}
    return arrays.read(Sample.objects.order_by("pk").values_list(*names), *(kinds[name] for name in names))


def same(one: np.ndarray, other: Any) -> bool:
    """Equal to the last bit, NaN and NaT being equal to themselves, and of one type."""
    return np.array_equal(one, np.array(other, dtype=one.dtype), equal_nan=True)


def append_numbered(size: int, **more: Any) -> None:
    arrays.append(Sample, {"id": np.arange(1, size + 1), "short": "-", "small": 0, **more})


# --- reading -----------------------------------------------------------------------------------------------


def test_reads_each_kind_as_its_own_array() -> None:
    Sample.objects.create(
        whole=2**62 + 1, share=0.1, day=dt.date(2026, 3, 2), moment=dt.datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    )
    found = read("whole", "share", "day", "moment")
    assert [column.dtype for column in found] == DTYPES
    assert [column.tolist() for column in found] == [
        [2**62 + 1],
        [0.1],
        [dt.date(2026, 3, 2)],
        [dt.datetime(2026, 3, 2, 9, 30)],  # noqa: DTZ001 - NumPy knows no zones; it is UTC
    ]


def test_null_reads_as_0_nan_and_nat() -> None:
    now = dt.datetime(2026, 3, 2, tzinfo=UTC)
    Sample.objects.create()
    Sample.objects.create(whole=7, share=7.5, day=now.date(), moment=now)
    Sample.objects.create()
    whole, share, day, moment = read("whole", "share", "day", "moment")
    assert same(whole, [0, 7, 0])
    assert same(share, [np.nan, 7.5, np.nan])
    assert same(day, ["NaT", "2026-03-02", "NaT"])
    assert same(moment, ["NaT", "2026-03-02T00:00:00", "NaT"])


@pytest.mark.parametrize("filled", [False, True])
def test_whole_numbers_of_every_width_may_be_null(filled: bool) -> None:
    Sample.objects.create(small=3, level=32_767, count=2**31 - 1, whole=2**63 - 1)
    Sample.objects.create(small=4)
    rows = Sample.objects.order_by("pk").values_list("small", "level", "count", "whole")
    found = arrays.read(rows, "int", "int", "int", "int", filled=filled)
    assert [column.tolist() for column in found] == [[3, 4], [32_767, 0], [2**31 - 1, 0], [2**63 - 1, 0]]
    assert {column.dtype for column in found} == {np.dtype("int64")}
    as_floats = arrays.read(rows[:1], "float", "float", "float", "float", filled=filled)
    assert [column.tolist() for column in as_floats] == [[3.0], [32_767.0], [2.0**31 - 1], [2.0**63]]


def test_whole_numbers_that_are_null_are_nan_where_floats_are_asked_for() -> None:
    Sample.objects.create(level=3)
    Sample.objects.create()
    assert same(arrays.read(Sample.objects.order_by("pk").values_list("level"), "float")[0], [3.0, np.nan])


def test_a_column_of_nothing_but_null_keeps_its_type() -> None:
    Sample.objects.create()
    found = read("whole", "share", "day", "moment")
    assert [column.dtype for column in found] == DTYPES
    assert found[0].tolist() == [0]
    assert np.isnan(found[1]).all()
    assert np.isnat(found[2]).all()
    assert np.isnat(found[3]).all()


@pytest.mark.parametrize("condition", [{"whole": 1}, {"pk__in": []}], ids=["no row", "no row can be"])
def test_no_rows_are_arrays_of_no_length(condition: dict[str, Any]) -> None:
    Sample.objects.create(whole=2)
    rows = Sample.objects.filter(**condition).values_list("whole", "share", "day", "moment")
    found = arrays.read(rows, *KINDS)
    assert [(column.dtype, column.shape) for column in found] == [(dtype, (0,)) for dtype in DTYPES]


def test_none_of_the_queryset_needs_no_statement() -> None:
    with CaptureQueriesContext(connection) as captured:
        (found,) = arrays.read(Sample.objects.none().values_list("whole"), "int")
    assert (found.shape, found.dtype, len(captured)) == ((0,), np.dtype("int64"), 0)


@pytest.mark.parametrize(
    "day",
    [
        dt.date(1, 1, 1), dt.date(1582, 10, 10), dt.date(1969, 12, 31), dt.date(1970, 1, 1), dt.date(1999, 12, 31),
        dt.date(2000, 1, 1), dt.date(2000, 2, 29), dt.date(2100, 3, 1), dt.date(9999, 12, 31),
    ],
    ids=str,
)  # fmt: skip
def test_days_of_all_ages(day: dt.date) -> None:
    Sample.objects.create(day=day)
    assert read("day")[0].tolist() == [day]
    Sample.objects.all().delete()
    append_numbered(1, day=np.array([day], dtype="datetime64[D]"))
    assert Sample.objects.get().day == day


MOMENTS = [
    dt.datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    dt.datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    dt.datetime(2000, 1, 1, tzinfo=UTC),
    dt.datetime(2026, 3, 2, 9, 0, 0, 123_456, tzinfo=UTC),
    dt.datetime(2026, 3, 2, 9, 0, 0, 1, tzinfo=UTC),
    dt.datetime(2026, 3, 29, 2, 30, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=45))),
    dt.datetime(2026, 3, 2, 1, 0, 0, 5, tzinfo=ZoneInfo("Asia/Shanghai")),
    dt.datetime(2026, 7, 1, 9, 0, tzinfo=ZoneInfo("America/St_Johns")),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


def in_utc(moment: dt.datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_moments_read_in_utc_to_the_microsecond(moment: dt.datetime) -> None:
    Sample.objects.create(moment=moment)
    Sample.objects.create()
    assert same(read("moment")[0], [in_utc(moment), NAT])


def test_moments_do_not_depend_on_the_zone_of_whoever_asks() -> None:
    with timezone.override("Asia/Shanghai"):
        Sample.objects.create(moment=dt.datetime(2026, 3, 2, 23, 59, tzinfo=UTC))
        assert same(read("moment")[0], ["2026-03-02T23:59"])


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no zone of its own")
def test_moments_do_not_depend_on_the_zone_of_the_session() -> None:
    Sample.objects.create(moment=dt.datetime(2026, 3, 2, 23, 59, tzinfo=UTC), day=dt.date(2026, 3, 2))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Asia/Shanghai'")
    day, moment = read("day", "moment")
    assert same(day, ["2026-03-02"])
    assert same(moment, ["2026-03-02T23:59"])


def test_reads_aggregates_and_conditions_as_well() -> None:
    first = Sample.objects.create()
    for n in (3, 5):
        Sample.objects.create(
            whole=n, day=dt.date(1990, 1, n), moment=dt.datetime(2026, 3, n, 9, 0, 0, n, tzinfo=UTC), parent=first
        )
    grouped = Sample.objects.order_by("parent").values_list("parent").annotate(Max("whole"), Max("day"), Max("moment"))
    parent, whole, day, moment = arrays.read(grouped.filter(parent=first), "int", "int", "day", "moment")
    assert same(parent, [first.pk])
    assert same(whole, [5])
    assert same(day, ["1990-01-05"])
    assert same(moment, ["2026-03-05T09:00:00.000005"])
    none = Sample.objects.filter(parent=None).values_list("parent").annotate(Max("day"), Max("moment"))
    assert same(arrays.read(none, "int", "day", "moment")[2], [NAT])


def test_reads_counts_and_sums_as_well() -> None:
    """The database counts and sums in wider numbers than the columns have."""
    first = Sample.objects.create()
    for n in range(5):
        Sample.objects.create(whole=n, small=n, share=n / 2, parent=first)
    grouped = Sample.objects.filter(parent=first).order_by("parent").values_list("parent")
    totals = grouped.annotate(Count("pk"), Sum("small"), Sum("share"), Min("small"), Avg("small"))
    found = arrays.read(totals, "int", "int", "int", "float", "int", "float")
    assert [column.tolist() for column in found] == [[first.pk], [5], [10], [5.0], [0], [2.0]]
    choice = Case(When(whole__gt=2, then=Value(1)), default=Value(0))
    rows = Sample.objects.filter(parent=first).order_by("pk").values_list("small", choice, F("small") + 1, Value(7))
    found = arrays.read(rows, "int", "int", "int", "int")
    assert [c.tolist() for c in found] == [[0, 1, 2, 3, 4], [0, 0, 0, 1, 1], [1, 2, 3, 4, 5], [7] * 5]


def test_reads_across_relations() -> None:
    """Where the other row may be missing, its columns are, whatever they promise of themselves."""
    first = Sample.objects.create(whole=7, small=3, share=1.5)
    Sample.objects.create(parent=first)
    rows = Sample.objects.order_by("pk").values_list("pk", "parent__pk", "parent__whole", "parent__small")
    pk, parent, whole, small = arrays.read(rows, "int", "int", "int", "int")
    assert pk.tolist() == [first.pk, first.pk + 1]
    assert (parent.tolist(), whole.tolist(), small.tolist()) == ([0, first.pk], [0, 7], [0, 3])
    inner = Sample.objects.filter(parent__whole=7).values_list("parent__share", "parent__small")
    assert [c.tolist() for c in arrays.read(inner, "float", "int")] == [[1.5], [3]]


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(0, 2**62), st.none() | st.floats(allow_nan=False), st.none() | st.dates(),
            st.none() | st.datetimes(timezones=st.just(UTC)),
        ),
        max_size=40,
    )
)  # fmt: skip
@example([(None, None, None, None)] * 100)
@example([(1, None, None, None), (None, 1.0, None, None)] * 50)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_promise_of_no_null_that_is_not_kept_does_no_harm(rows: list[tuple[Any, ...]]) -> None:
    with transaction.atomic():
        Sample.objects.bulk_create(Sample(whole=w, share=s, day=d, moment=m) for w, s, d, m in rows)
        asked = Sample.objects.order_by("pk").values_list("whole", "share", "day", "moment")
        careful, trusting = arrays.read(asked, *KINDS), arrays.read(asked, *KINDS, filled=True)
        transaction.set_rollback(True)
    for one, other, given_ in zip(careful, trusting, zip(*rows, strict=True), strict=False):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other, equal_nan=True)
        assert len(one) == len(given_)


def test_what_is_looked_for_may_hold_percent_signs_and_quotes() -> None:
    Sample.objects.create(text="50 % 'off'", whole=1)
    Sample.objects.create(text="50 %% off", whole=2)
    rows = Sample.objects.filter(text__contains="% '").values_list("whole")
    assert same(arrays.read(rows, "int")[0], [1])


def test_rows_come_in_the_order_of_the_queryset() -> None:
    append_numbered(50, share=np.sin(np.arange(50.0)))
    rows = Sample.objects.order_by("-share").values_list("share", "pk")
    share, pk = arrays.read(rows[:20], "float", "int")
    assert list(zip(share.tolist(), pk.tolist(), strict=True)) == list(rows[:20])
    assert share.tolist() == sorted(share.tolist(), reverse=True)


def test_an_error_in_the_query_is_djangos() -> None:
    with pytest.raises(DatabaseError, match="no_such_column"), transaction.atomic():
        arrays.read(Sample.objects.extra(select={"x": "no_such_column"}).values_list("x"), "int")


# --- appending ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [0.0, 0.2], ids=["whole", "with NULLs"])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_appended_is_read(size: int, missing: float) -> None:
    random = np.random.default_rng(size)
    share = np.where(random.random(size) < missing, np.nan, random.standard_normal(size) * 1e6)
    day = np.datetime64("1990-01-01") + random.integers(0, 20_000, size)
    day[random.random(size) < missing] = NAT_DAY
    moment = np.datetime64("1990-01-01T00:00:00", "us") + random.integers(0, 10**15, size)
    moment[random.random(size) < missing] = NAT
    whole = random.integers(0, 2**40, size)
    append_numbered(size, whole=whole, share=share, day=day, moment=moment)
    found = read("pk", "whole", "share", "day", "moment")
    for column, given_ in zip(found, (np.arange(1, size + 1), whole, share, day, moment), strict=True):
        assert same(column, given_)
    assert Sample.objects.filter(share=None).count() == np.isnan(share).sum()
    assert Sample.objects.filter(day=None).count() == np.isnat(day).sum()
    assert Sample.objects.filter(moment=None).count() == np.isnat(moment).sum()


@pytest.mark.parametrize("text", [*TEXTS, "ends in spaces  ", "a" * 5000], ids=range(len(TEXTS) + 2))
def test_one_text_stands_for_all_rows(text: str) -> None:
    append_numbered(3, text=text)
    arrays.append(Sample, {"id": np.array([4]), "text": text, "small": 0, "short": ["a"]})
    assert set(columns("text")[0]) == {text}
    arrays.update(Sample, {"id": np.arange(1, 5), "text": "x"})
    arrays.update(Sample, {"id": np.arange(1, 5), "text": text})
    assert set(columns("text")[0]) == {text}


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_one_moment_stands_for_all_rows(moment: dt.datetime) -> None:
    append_numbered(3, moment=moment)
    assert set(columns("moment")[0]) == {moment}
    assert Sample.objects.filter(moment=moment).count() == 3


def test_a_list_may_stand_anywhere_and_hold_anything_the_column_takes() -> None:
    """The last column is written in another way than the others, where it is a list of texts."""
    at = dt.datetime(2026, 3, 2, 9, 0, 0, 42, tzinfo=UTC)
    lists: dict[str, list[Any]] = {
        "text": ["a", "竞争"], "day": [dt.date(1999, 1, 2), None], "moment": [None, at], "whole": [3, None],
        "share": [None, 0.1], "facts": ['{"a": [1, "竞\\t争"]}', "[]"], "short": ["", "abcde"],
    }  # fmt: skip
    for place, last in enumerate(lists):
        ids = np.array([1, 2]) + 10 * place
        others = {name: values for name, values in lists.items() if name != last}
        arrays.append(Sample, {"id": ids, "small": 0, **others, last: lists[last]})
        arrays.append(Sample, {"id": ids + 100, "small": 0, "short": "x", last: lists[last]})
        found = list(Sample.objects.filter(pk__in=ids).order_by("pk").values_list(*lists))
        assert found == [
            ("a", dt.date(1999, 1, 2), None, 3, None, {"a": [1, "竞\t争"]}, ""),
            ("竞争", None, at, None, 0.1, [], "abcde"),
        ]
        alone = Sample.objects.filter(pk__in=ids + 100).order_by("pk").values_list(last, flat=True)
        assert list(alone) == [row[place] for row in found]


def test_one_value_stands_for_all_rows() -> None:
    at = dt.datetime(2026, 3, 2, 1, 0, 0, 7, tzinfo=ZoneInfo("Asia/Shanghai"))
    append_numbered(3, whole=None, share=0.25, day=dt.date(1999, 1, 1), moment=at, text="a\tb", parent=None)
    assert (
        list(Sample.objects.values_list("whole", "share", "day", "moment", "text", "short", "parent"))
        == [(None, 0.25, dt.date(1999, 1, 1), at, "a\tb", "-", None)] * 3
    )


def test_no_rows_are_no_statement() -> None:
    with CaptureQueriesContext(connection) as captured:
        arrays.append(Sample, {"id": np.array([], dtype=np.int64), "short": "", "small": 0})
        arrays.append(Sample, {"id": [], "short": "", "small": 0})
        arrays.update(Sample, {"id": np.array([], dtype=np.int64), "whole": 3})
    assert (len(captured), Sample.objects.count()) == (0, 0)


def test_keys_are_given_by_the_database_where_they_are_left_out() -> None:
    arrays.append(Sample, {"whole": np.array([1, 2]), "short": "", "small": 0})
    arrays.append(Sample, {"whole": np.array([3]), "short": "", "small": 0})
    (pk,) = columns("pk")
    assert len(set(pk)) == 3
    assert columns("whole")[0].tolist() == [1, 2, 3]


def test_text_of_every_kind_comes_back_as_it_was() -> None:
    append_numbered(len(TEXTS) + 1, text=[*TEXTS, None])
    assert columns("text")[0].tolist() == [*TEXTS, None]


def test_nothing_is_null_and_the_empty_text_is_not() -> None:
    append_numbered(3, text=["", None, "None"])
    assert list(Sample.objects.filter(text=None).values_list("pk", flat=True)) == [2]
    assert list(Sample.objects.filter(text="").values_list("pk", flat=True)) == [1]


def test_texts_longer_than_a_block_and_of_many_bytes_a_sign() -> None:
    """The stream to PostgreSQL is cut into blocks: a cut within an emoji or an escape must not show."""
    texts = ["🚨" * 400_000 + "\t", "险\n" * 500_000, "\\" * 1_100_000, "x"]
    append_numbered(4, text=texts)
    assert columns("text")[0].tolist() == texts


def test_json_goes_in_as_text_and_comes_out_as_json() -> None:
    facts = [[], {}, [{"label": 'Say "no"\t\\ 竞争 🚨\n', "amount": 0.1, "ref": None}], {"a": [1e-300, -0.5]}, None]
    texts = [None if f is None else json.dumps(f, ensure_ascii=False) for f in facts]
    append_numbered(len(facts), facts=texts)
    assert [sample.facts for sample in Sample.objects.order_by("pk")] == facts


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_back(texts: list[str]) -> None:
    with transaction.atomic():
        append_numbered(len(texts), text=texts)
        assert columns("text")[0].tolist() == texts
        arrays.update(Sample, {"id": np.arange(1, len(texts) + 1), "text": texts[::-1]})
        assert columns("text")[0].tolist() == texts[::-1]
        transaction.set_rollback(True)


_floats = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)


@given(st.lists(_floats, min_size=1, max_size=40))
@example([5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -0.0, 0.1, 1 / 3, 1e22, 1e23, 123456789.123456789])
@example([float("inf"), float("-inf"), float("nan")])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_floats_come_back_exactly(values: list[float]) -> None:
    numbers, ids = np.array(values), np.arange(1, len(values) + 1)
    with transaction.atomic():
        append_numbered(len(values), share=numbers)
        assert same(read("share")[0], numbers)
        arrays.update(Sample, {"id": ids, "share": numbers[::-1]})
        assert same(read("share")[0], numbers[::-1])
        transaction.set_rollback(True)


def test_floats_come_back_exactly_through_the_temporary_table() -> None:
    random = np.random.default_rng(7)
    bits = random.integers(0, 2**63, 4000, dtype=np.uint64) | (random.integers(0, 2, 4000, dtype=np.uint64) << 63)
    numbers = bits.view(np.float64)
    numbers = numbers[np.isfinite(numbers)][:2000]
    append_numbered(2000)
    arrays.update(Sample, {"id": np.arange(1, 2001), "share": numbers})
    assert same(read("share")[0], numbers)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=20))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whole_numbers_come_back_exactly(values: list[int]) -> None:
    with transaction.atomic():
        append_numbered(len(values), whole=np.array(values, dtype=np.int64))
        assert same(read("whole")[0], values)
        arrays.update(Sample, {"id": np.arange(1, len(values) + 1), "whole": values[::-1]})
        assert same(read("whole")[0], values[::-1])
        transaction.set_rollback(True)


# --- moments as the ORM writes and compares them -----------------------------------------------------------


def _written_moments(way: str) -> None:
    """Rows 1 and 2 of the ORM, 3 and 4 from columns, each pair an hour apart, one after the other."""
    first = dt.datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    hours = [first + n * dt.timedelta(hours=1) for n in range(4)]
    Sample.objects.create(pk=1, moment=hours[0])
    Sample.objects.create(pk=3, moment=hours[2])
    given_: Any = {
        "array": np.array([in_utc(hours[1]), in_utc(hours[3])]),
        "list": [hours[1], hours[3]],
    }[way]
    arrays.append(Sample, {"id": np.array([2, 4]), "short": "", "small": 0, "moment": given_})


@pytest.mark.parametrize("way", ["array", "list"])
def test_moments_from_columns_sort_among_those_of_the_orm(way: str) -> None:
    _written_moments(way)
    assert list(Sample.objects.order_by("moment").values_list("pk", flat=True)) == [1, 2, 3, 4]


@pytest.mark.parametrize("way", ["array", "list"])
def test_moments_from_columns_are_found_by_the_orm(way: str) -> None:
    _written_moments(way)
    at = dt.datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    assert list(Sample.objects.filter(moment=at).values_list("pk", flat=True)) == [2]
    assert list(Sample.objects.filter(moment__lte=at).order_by("pk").values_list("pk", flat=True)) == [1, 2]


@pytest.mark.parametrize("way", ["array", "list"])
def test_moments_from_columns_are_read_as_columns(way: str) -> None:
    _written_moments(way)
    assert same(read("moment")[0], [f"2026-03-02T{hour:02d}:00" for hour in (9, 10, 11, 12)])


# --- updating ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [False, True], ids=["whole", "with NULLs"])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_updated_is_read_and_other_rows_stay(size: int, missing: bool) -> None:
    random = np.random.default_rng(size)
    count = 2 * size + 3
    append_numbered(
        count, whole=np.arange(count), share=np.arange(count) / 7, day=dt.date(2020, 1, 1), text="before", short="keep"
    )
    chosen = np.sort(random.choice(np.arange(1, count + 1), size, replace=False))
    share = np.where(random.random(size) < 0.3 * missing, np.nan, random.standard_normal(size))
    day = np.datetime64("1980-01-01") + random.integers(0, 30_000, size)
    day[random.random(size) < 0.3 * missing] = NAT_DAY
    texts = [None if missing and n % 5 == 0 else f"{TEXTS[n % len(TEXTS)]} {n}" for n in range(size)]
    whole: list[int | None] = [None if missing and n % 4 == 0 else n for n in range(size)]
    at = dt.datetime(2026, 3, 2, 9, 0, 0, 42, tzinfo=ZoneInfo("Asia/Shanghai"))
    facts = [json.dumps({"n": n, "say": "竞\t争"}, ensure_ascii=False) for n in range(size)]
    before = {sample["id"]: sample for sample in Sample.objects.values()}
    arrays.update(
        Sample,
        {"id": chosen, "share": share, "day": day, "text": texts, "whole": whole, "moment": at, "facts": facts},
    )
    expected = before
    days = [None if np.isnat(d) else d.item() for d in day]
    for n, pk in enumerate(chosen.tolist()):
        expected[pk] = expected[pk] | {
            "share": None if np.isnan(share[n]) else share[n], "day": days[n], "text": texts[n], "whole": whole[n],
            "moment": at, "facts": {"n": n, "say": "竞\t争"},
        }  # fmt: skip
    assert {sample["id"]: sample for sample in Sample.objects.values()} == expected


@pytest.mark.parametrize("size", SIZES)
def test_one_value_updates_all_named_rows(size: int) -> None:
    append_numbered(size + 1, whole=1, share=1.0, day=dt.date(2020, 1, 1))
    arrays.update(Sample, {"id": np.arange(1, size + 1), "whole": 2, "share": None, "day": dt.date(1999, 12, 31)})
    assert set(Sample.objects.exclude(pk=size + 1).values_list("whole", "share", "day")) == {
        (2, None, dt.date(1999, 12, 31))
    }
    assert Sample.objects.values_list("whole", "share", "day").get(pk=size + 1) == (1, 1.0, dt.date(2020, 1, 1))


@pytest.mark.parametrize("size", SIZES)
def test_a_column_of_nothing_but_null_can_be_written(size: int) -> None:
    append_numbered(size, whole=1, share=1.0, day=dt.date(2020, 1, 1), moment=MOMENTS[4], text="x", facts="[]")
    nothing: list[None] = [None] * size
    arrays.update(
        Sample,
        {
            "id": np.arange(1, size + 1), "whole": nothing, "share": np.full(size, np.nan), "text": nothing,
            "day": np.full(size, NAT_DAY), "moment": np.full(size, NAT), "facts": nothing,
        },
    )  # fmt: skip
    assert set(Sample.objects.values_list("whole", "share", "day", "moment", "text")) == {(None,) * 5}
    assert Sample.objects.filter(facts__isnull=True).count() == size


@pytest.mark.parametrize("size", SIZES)
def test_keys_that_are_not_there_change_nothing(size: int) -> None:
    Sample.objects.create(pk=5, whole=1)
    Sample.objects.create(pk=10**9, whole=2)
    ids = np.arange(10, 10 + size)
    arrays.update(Sample, {"id": ids, "whole": np.arange(size)})
    assert columns("pk", "whole")[1].tolist() == [1, 2]


def test_two_updates_in_one_transaction_do_not_mix() -> None:
    """The temporary table is the same for both."""
    append_numbered(1500)
    arrays.update(Sample, {"id": np.arange(1, 1001), "whole": 1})
    arrays.update(Sample, {"id": np.arange(601, 1501), "whole": 2})
    arrays.update(Sample, {"id": np.arange(1, 11), "whole": 3})
    assert columns("whole")[0].tolist() == [3] * 10 + [1] * 590 + [2] * 900


def test_two_updates_of_other_columns_in_one_transaction() -> None:
    append_numbered(501)
    arrays.update(Sample, {"id": np.arange(1, 502), "whole": np.arange(501)})
    arrays.update(Sample, {"id": np.arange(1, 502), "share": np.arange(501) / 2, "text": "x"})
    whole, share, text = columns("whole", "share", "text")
    assert (whole.tolist(), share.tolist(), set(text)) == (list(range(501)), (np.arange(501) / 2).tolist(), {"x"})


@pytest.mark.parametrize("size", [1, 501])
def test_a_foreign_key_is_named_by_its_field(size: int) -> None:
    append_numbered(size + 1)
    arrays.update(Sample, {"id": np.arange(1, size + 1), "parent": np.full(size, size + 1)})
    assert Sample.objects.filter(parent=size + 1).count() == size


# --- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES[1:])
def test_an_error_in_the_middle_of_appending_is_djangos_and_leaves_nothing(size: int) -> None:
    whole = np.arange(size)
    whole[size // 2] = -1
    with pytest.raises(IntegrityError, match="whole_not_negative"), transaction.atomic():
        append_numbered(size, whole=whole)
    assert Sample.objects.count() == 0


def test_a_key_that_is_there_already_is_refused() -> None:
    Sample.objects.create(pk=3, whole=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        append_numbered(5, whole=2)
    assert list(Sample.objects.values_list("pk", "whole")) == [(3, 1)]


@pytest.mark.parametrize("size", SIZES)
def test_an_error_in_the_middle_of_updating_is_djangos_and_leaves_all_as_it_was(size: int) -> None:
    append_numbered(size, whole=5)
    whole = np.full(size, 6)
    whole[size // 2] = -1
    with pytest.raises(IntegrityError, match="whole_not_negative"), transaction.atomic():
        arrays.update(Sample, {"id": np.arange(1, size + 1), "whole": whole})
    assert set(Sample.objects.values_list("whole", flat=True)) == {5}
    arrays.update(Sample, {"id": np.arange(1, size + 1), "whole": 7})  # and the next one goes through
    assert set(Sample.objects.values_list("whole", flat=True)) == {7}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's whole numbers are all of one width")
@pytest.mark.parametrize("value", [70_000, 2**31, 2**40])
@pytest.mark.parametrize("size", [1, 501])
def test_a_number_too_large_for_its_column_is_refused_and_never_cut(size: int, value: int) -> None:
    """Of a number that is written in two bytes the rest must not be dropped."""
    append_numbered(size, level=1)
    ids, numbers = np.arange(1, size + 1), np.full(size, value)
    for given_ in (numbers, numbers.astype(float), value):
        with pytest.raises(DataError), transaction.atomic():
            arrays.append(Sample, {"id": ids + 10_000, "small": 0, "level": given_, "short": "-"})
        with pytest.raises(DataError), transaction.atomic():
            arrays.update(Sample, {"id": ids, "level": given_})
    assert set(Sample.objects.values_list("level", flat=True)) == {1}


@pytest.mark.parametrize("size", SIZES)
def test_whole_numbers_may_be_given_as_floats(size: int) -> None:
    """Columns of results are floats, with NaN where there is none."""
    level = np.where(np.arange(size) % 3 == 0, np.nan, np.arange(size) % 1000.0)
    expected = [None if np.isnan(n) else int(n) for n in level]
    append_numbered(size, level=level, count=level)
    assert [c.tolist() for c in columns("level", "count")] == [expected, expected]
    arrays.update(Sample, {"id": np.arange(1, size + 1), "level": level[::-1], "count": np.arange(size) * 1.0})
    assert [c.tolist() for c in columns("level", "count")] == [expected[::-1], list(range(size))]


def test_a_column_that_is_missing_a_value_must_not_be_null() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        arrays.append(Sample, {"id": np.array([1, 2]), "small": 0, "short": ["a", None]})
    assert Sample.objects.count() == 0


@pytest.mark.parametrize("ids", [[1], [1, 2, 3]], ids=["fewer", "more"])
def test_columns_of_unequal_length_are_refused(ids: list[int]) -> None:
    with pytest.raises(ValueError, match=r"unequal length"), transaction.atomic():
        arrays.append(Sample, {"id": np.array(ids), "small": 0, "short": ["a", "b"]})
    with pytest.raises(ValueError, match=r"zip|broadcast|length"), transaction.atomic():
        arrays.append(Sample, {"id": np.array(ids), "small": np.array([7, 8]), "short": "a"})
    with pytest.raises(ValueError, match=r"zip|broadcast|length"), transaction.atomic():
        arrays.append(Sample, {"id": np.array([1, 2, 3]), "small": np.array([7]), "short": "a"})
    assert Sample.objects.count() == 0


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite does not mind how long a text is")
@pytest.mark.parametrize("size", [1, 501])
def test_a_text_too_long_for_its_column_is_refused_and_never_cut(size: int) -> None:
    append_numbered(size)
    with pytest.raises(DataError), transaction.atomic():
        arrays.append(Sample, {"id": np.array([9999]), "small": 0, "short": "too long"})
    with pytest.raises(DataError), transaction.atomic():
        arrays.update(Sample, {"id": np.arange(1, size + 1), "short": ["too long"] * size})
    assert set(Sample.objects.values_list("short", flat=True)) == {"-"}


# --- locking -----------------------------------------------------------------------------------------------


def test_locking_is_one_statement_where_rows_have_locks_and_none_elsewhere() -> None:
    append_numbered(3)
    with CaptureQueriesContext(connection) as captured:
        arrays.lock(Sample.objects.order_by("pk").values_list("pk"))
    said = [query["sql"] for query in captured]
    if connection.vendor == "postgresql":
        assert [sql.endswith("FOR NO KEY UPDATE") for sql in said] == [True]
    else:
        assert said == []


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps any number in any column")
@pytest.mark.parametrize("value", [40_000, 2**40, 2.5])
def test_a_number_that_does_not_fit_its_column_is_refused_and_never_bent(value: float) -> None:
    with pytest.raises(DataError), transaction.atomic():
        arrays.append(Sample, {"id": np.array([1, 2]), "small": np.array([1, value]), "short": ""})
    assert Sample.objects.count() == 0

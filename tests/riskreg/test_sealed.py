from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core import serializers
from django.core.exceptions import FieldError
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test.utils import isolate_apps
from hypothesis import given
from hypothesis import strategies as st

from riskreg.accounts.management.commands import reseal as command
from riskreg.sealed import SealBroken, SealedTextField, reseal, seal, unseal

TABLE = "sealed_things"


@pytest.fixture
def thing(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A model with a sealed field that exists in this test only."""
    with isolate_apps("riskreg.accounts"):

        class Thing(models.Model):
            name = models.CharField(max_length=10)
            secret = SealedTextField(null=True)

            class Meta:
                app_label = "accounts"
                db_table = TABLE

            def __str__(self) -> str:
                return self.name

    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {TABLE} (id bigint PRIMARY KEY, name varchar(10), secret text)")
    monkeypatch.setattr(command.apps, "get_models", lambda: [Thing])
    yield Thing
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


def stored() -> dict[int, str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, secret FROM {TABLE} ORDER BY id")
        return dict(cursor.fetchall())


@given(st.text(min_size=1))
def test_what_is_sealed_opens_again(text: str) -> None:
    token = seal(text)
    assert unseal(token) == text
    assert token != seal(text)
    assert text not in token or len(text) < 4


@given(st.data())
def test_a_changed_token_does_not_open(data: st.DataObject) -> None:
    token = seal("a webhook's secret")
    at = data.draw(st.integers(0, len(token.rstrip("=")) - 2))  # the last one may carry unused bits
    other = data.draw(st.characters(max_codepoint=126, min_codepoint=33).filter(lambda c: c != token[at]))
    with pytest.raises(SealBroken):
        unseal(token[:at] + other + token[at + 1 :])


def test_a_token_of_another_installation_does_not_open(settings: Any) -> None:
    token = seal("secret")
    settings.SECRET_KEY = "another one"
    with pytest.raises(SealBroken, match=r"^A sealed text cannot be opened with any of the keys\.$"):
        unseal(token)


def test_an_old_key_still_opens_and_the_new_one_seals(settings: Any) -> None:
    old = settings.SECRET_KEY
    token = seal("secret")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the new one", ["older yet", old]
    assert unseal(token) == "secret"
    anew = reseal(token)
    settings.SECRET_KEY_FALLBACKS = []
    assert unseal(anew) == "secret"
    with pytest.raises(SealBroken):
        unseal(token)


def test_the_secret_is_sealed_in_the_database_and_plain_in_python(thing: Any) -> None:
    thing.objects.create(pk=1, name="hook", secret="tiger-in-the-tank")
    token = stored()[1]
    assert unseal(token) == "tiger-in-the-tank"
    assert "tiger" not in token
    assert thing.objects.get(pk=1).secret == "tiger-in-the-tank"
    assert list(thing.objects.values_list("secret", flat=True)) == ["tiger-in-the-tank"]


def test_nothing_stays_nothing(thing: Any) -> None:
    thing.objects.create(pk=1, name="empty", secret="")
    thing.objects.create(pk=2, name="none", secret=None)
    assert stored() == {1: "", 2: None}
    assert [one.secret for one in thing.objects.order_by("pk")] == ["", None]
    assert thing.objects.get(secret__isnull=True).pk == 2


def test_no_listing_shows_the_secret(thing: Any) -> None:
    thing.objects.create(pk=1, name="hook", secret="tiger-in-the-tank")
    one = thing.objects.get()
    shown = [repr(one), str(one), repr(one.__dict__), repr([one.secret]), str({"s": one.secret}), f"{one.secret!r}"]
    assert [text for text in shown if "tiger" in text] == []
    assert "tiger" not in serializers.serialize("json", [one])


def test_a_broken_seal_is_said_when_the_row_is_read(thing: Any) -> None:
    thing.objects.create(pk=1, name="hook", secret="tiger")
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {TABLE} SET secret = 'gAAAAA-nonsense'")
    with pytest.raises(SealBroken):
        thing.objects.get()


def test_a_sealed_text_is_not_searched_for(thing: Any) -> None:
    with pytest.raises(FieldError, match=r"^secret is sealed; it can only be asked whether it is null\.$"):
        thing.objects.filter(secret="tiger").count()


def test_reseal_brings_all_rows_to_the_newest_key(thing: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "CHUNK", 3)
    thing.objects.bulk_create(thing(pk=k, name=f"t{k}", secret=f"secret {k}") for k in range(1, 8))
    thing.objects.create(pk=8, name="none", secret=None)
    thing.objects.create(pk=9, name="empty", secret="")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "the new one"
    out = StringIO()
    call_command("reseal", stdout=out)
    assert out.getvalue() == "7 sealed anew.\n"
    settings.SECRET_KEY_FALLBACKS = []
    assert [one.secret for one in thing.objects.order_by("pk")] == [*(f"secret {k}" for k in range(1, 8)), None, ""]


def test_reseal_takes_a_constant_number_of_statements_for_a_chunk(
    thing: Any, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing.objects.bulk_create(thing(pk=k, name=f"t{k}", secret=f"secret {k}") for k in range(1, 41))
    # A savepoint, the rows, the new tokens, and its end; then a savepoint, no rows, and its end.
    with django_assert_num_queries(4 + 3):
        call_command("reseal", stdout=StringIO())


def test_reseal_names_what_no_key_opens_and_leaves_it(thing: Any, settings: Any) -> None:
    thing.objects.create(pk=1, name="lost", secret="secret 1")
    lost = stored()[1]
    settings.SECRET_KEY = "the new one"
    thing.objects.create(pk=2, name="good", secret="secret 2")
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match=r"^1 cannot be opened\. Type these secrets in again, or bring back"):
        call_command("reseal", stdout=out, stderr=err)
    assert (out.getvalue(), err.getvalue()) == (
        "1 sealed anew.\n",
        "accounts.Thing.secret cannot be opened in rows [1]\n",
    )
    assert stored()[1] == lost

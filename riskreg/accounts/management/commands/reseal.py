from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction
from django.db.models.functions import Cast

from riskreg.sealed import SealBroken, SealedTextField, reseal

CHUNK = 500


class Command(BaseCommand):
    help = "Seals all stored secrets with the newest key, so that the ones of before can go from SECRET_KEY_FALLBACKS."

    def handle(self, *_args: Any, **_options: Any) -> None:
        done = broken = 0
        for model in apps.get_models():
            for field in model._meta.local_fields:
                if isinstance(field, SealedTextField):
                    good, bad = _reseal_all(model, field.attname)
                    done, broken = done + good, broken + len(bad)
                    if bad:
                        self.stderr.write(f"{model._meta.label}.{field.name} cannot be opened in rows {bad}")
        self.stdout.write(f"{done} sealed anew.")
        if broken:
            raise CommandError(f"{broken} cannot be opened. Type these secrets in again, or bring back their key.")


def _reseal_all(model: type[models.Model], name: str) -> tuple[int, list[Any]]:
    """How many were sealed anew, and the primary keys of those that no key opens."""
    done, broken, last = 0, [], None
    while True:
        with transaction.atomic():
            rows = _chunk_after(model, name, last)
            if not rows:
                return done, broken
            anew = {}
            for pk, token in rows:
                try:
                    anew[pk] = reseal(token)
                except SealBroken:
                    broken.append(pk)
            _write(model, name, anew)
        done, last = done + len(anew), rows[-1][0]


def _chunk_after(model: type[models.Model], name: str, last: Any) -> list[tuple[Any, str]]:
    """The next rows with their tokens as they are stored, locked."""
    rows = model._base_manager.select_for_update(of=("self",)).annotate(token=Cast(name, models.TextField()))
    rows = rows.exclude(token="").filter(token__isnull=False)
    if last is not None:
        rows = rows.filter(pk__gt=last)
    return list(rows.order_by("pk").values_list("pk", "token")[:CHUNK])


def _write(model: type[models.Model], name: str, tokens: dict[Any, str]) -> None:
    cases = [models.When(pk=pk, then=models.Value(token, models.TextField())) for pk, token in tokens.items()]
    if cases:
        case = models.Case(*cases, output_field=models.TextField())
        model._base_manager.filter(pk__in=tokens).update(**{name: case})

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class Fact(models.Model):
    """Something a CRM, a file or a person told us. What a source told is known by its id there and kept as it came.

    ``modified_at`` is the source's own clock. ``waits_for`` names references to records that have not come yet, as
    {"customer": "their id"}; the end of a run looks for them again (crm/store.py).
    """

    connection = models.ForeignKey(
        "crm.Connection",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("connection"),
    )
    external_id = models.CharField(max_length=200, null=True, editable=False)  # noqa: DJ001  NULLs never collide
    modified_at = models.DateTimeField(null=True, editable=False)
    gone_at = models.DateTimeField(null=True, editable=False)
    raw: Any = models.JSONField(null=True, editable=False)
    waits_for: Any = models.JSONField(null=True, editable=False)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["connection", "external_id"], name="%(class)s_once_per_source"),
            models.CheckConstraint(
                condition=models.Q(connection__isnull=True, external_id__isnull=True)
                | models.Q(connection__isnull=False, external_id__isnull=False),
                name="%(class)s_source_and_its_id",
            ),
        ]

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models import Measure


class IndicatorQuerySet(models.QuerySet["Indicator"]):
    def live(self) -> IndicatorQuerySet:
        return self.filter(archived_at=None)


class Indicator(models.Model):
    """A key risk indicator: something measured again and again that says a risk is coming (ISO 31000, monitoring).

    ``current_*`` and ``drifting_since`` repeat its last reading and its open flag; actions are their only writers.
    """

    class Direction(models.TextChoices):
        HIGHER = "higher", _("Higher is worse")
        LOWER = "lower", _("Lower is worse")

    class Level(models.IntegerChoices):
        FINE = 0, _("Fine")
        WARNING = 1, _("Warning")
        LIMIT = 2, _("Beyond the limit")

    name = models.CharField(_("name"), max_length=200)
    measure = models.CharField(_("what is measured"), max_length=20, choices=Measure, default=Measure.OTHER)
    unit = models.CharField(_("unit"), max_length=20, blank=True, help_text=_("For example %, days or points."))
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, related_name="+", verbose_name=_("team"))
    customer = models.ForeignKey(
        "crm.Customer", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("customer")
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("owner"),
    )
    direction = models.CharField(_("direction"), max_length=6, choices=Direction, default=Direction.LOWER)
    warning = models.FloatField(_("warning from"), help_text=_("From here on a reading counts against its risks."))
    limit = models.FloatField(_("limit"), help_text=_("Here a reading counts in full, and people are told at once."))
    stale_after_days = models.PositiveIntegerField(
        _("stale after days"),
        default=45,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("A last reading older than this is shown as stale. It goes on counting as it did."),
    )
    weekly_rhythm = models.BooleanField(
        _("has a weekly rhythm"),
        default=False,
        help_text=_("For daily readings: what is usual for a weekday is taken off before looking for drift."),
    )
    from_crm = models.BooleanField(
        _("take readings from the CRM"),
        default=False,
        help_text=_("Whatever the CRM reports for this customer and measure becomes a reading."),
    )
    current_at = models.DateTimeField(_("last reading"), null=True, editable=False)
    current_value = models.FloatField(_("value"), null=True, editable=False)
    stale_at = models.DateTimeField(null=True, editable=False)  # from then on the last reading is stale
    drifting_since = models.DateField(_("drifting since"), null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)

    objects = IndicatorQuerySet.as_manager()

    class Meta:
        verbose_name = _("indicator")
        verbose_name_plural = _("indicators")
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                "name",
                "team",
                condition=Q(archived_at=None),
                name="indicator_name_unique_in_team",
                violation_error_message=_("This team already has an indicator of this name."),
            ),
            models.UniqueConstraint(
                "customer",
                "measure",
                condition=Q(from_crm=True, archived_at=None),
                name="one_indicator_takes_a_measure",
                violation_error_message=_("Another indicator already takes this customer's readings from the CRM."),
            ),
            models.CheckConstraint(
                condition=Q(direction="higher", limit__gt=F("warning")) | Q(direction="lower", limit__lt=F("warning")),
                name="indicator_limit_beyond_warning",
                violation_error_message=_("The limit must be worse than the warning."),
            ),
            models.CheckConstraint(
                condition=Q(from_crm=False) | Q(customer__isnull=False),
                name="indicator_from_crm_has_customer",
                violation_error_message=_("Readings from the CRM need a customer."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def level_of(self, value: float | None) -> int:
        """How bad a reading is: 0 fine, 1 at or beyond the warning, 2 at or beyond the limit."""
        if value is None:
            return self.Level.FINE
        sign = 1 if self.direction == self.Direction.HIGHER else -1
        return sum(sign * value >= sign * threshold for threshold in (self.warning, self.limit))

    @property
    def level(self) -> int:
        return self.level_of(self.current_value)

    @property
    def level_name(self) -> str:
        return str(self.Level(self.level).label)

    def is_stale(self, now: dt.datetime | None = None) -> bool:
        """Whether nobody has measured for longer than agreed; one never measured is not stale but empty."""
        return self.stale_at is not None and self.stale_at < (now or timezone.now())


class Reading(models.Model):
    """One measurement of an indicator. A second one of the same moment corrects the first."""

    class Source(models.TextChoices):
        HAND = "hand", _("By hand")
        FILE = "file", _("File")
        API = "api", _("API")
        CRM = "crm", _("CRM")

    indicator = models.ForeignKey(Indicator, on_delete=models.CASCADE, related_name="readings")
    at = models.DateTimeField(_("measured at"))
    value = models.FloatField(_("value"))
    note = models.CharField(_("note"), max_length=500, blank=True)
    source = models.CharField(_("source"), max_length=4, choices=Source, default=Source.HAND)
    recorded_at = models.DateTimeField(_("recorded at"))
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("reading")
        verbose_name_plural = _("readings")
        ordering = ["-at", "-pk"]
        constraints = [models.UniqueConstraint("indicator", "at", name="one_reading_per_moment")]

    def __str__(self) -> str:
        return f"{self.indicator_id} {self.at:%Y-%m-%d}: {self.value}"


class Tie(models.Model):
    """An indicator speaks for a risk: at its limit it multiplies the odds by ``ratio`` (monitoring/evidence.py)."""

    class Ratio(models.IntegerChoices):
        WEAK = 2, _("weak evidence: doubles the odds at the limit")
        FAIR = 4, _("fair evidence: fourfold odds at the limit")
        STRONG = 8, _("strong evidence: eightfold odds at the limit")

    indicator = models.ForeignKey(Indicator, on_delete=models.CASCADE, related_name="ties")
    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, related_name="ties")
    ratio = models.PositiveSmallIntegerField(_("weight of evidence"), choices=Ratio, default=Ratio.WEAK)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("tie")
        verbose_name_plural = _("ties")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                "risk",
                "indicator",
                name="one_tie_per_risk_and_indicator",
                violation_error_message=_("This indicator already speaks for this risk."),
            ),
            models.CheckConstraint(condition=Q(ratio__in=[2, 4, 8]), name="tie_ratio_known"),
        ]

    def __str__(self) -> str:
        return f"{self.indicator_id} → {self.risk_id}"


class ArmedBy(models.Model):
    """A contingency that arms itself when an indicator passes its limit."""

    response = models.OneToOneField("responses.Response", on_delete=models.CASCADE, related_name="armed_by_indicator")
    indicator = models.ForeignKey(Indicator, on_delete=models.CASCADE, related_name="arms", verbose_name=_("indicator"))

    class Meta:
        verbose_name = _("trigger")
        verbose_name_plural = _("triggers")

    def __str__(self) -> str:
        return f"{self.indicator_id} arms {self.response_id}"

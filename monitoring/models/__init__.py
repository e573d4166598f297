from monitoring.models.digests import Digest, Subscription
from monitoring.models.flags import DriftFlag, LimitAlert
from monitoring.models.forecasts import Forecast
from monitoring.models.indicators import ArmedBy, Indicator, Reading, Tie
from monitoring.models.notices import Channel, Delivery, Event, Notice, Preference, Severity, Webhook
from monitoring.models.reviews import Review, ReviewReason
from monitoring.models.settings import MonitoringSettings

__all__ = [
    "ArmedBy",
    "Channel",
    "Delivery",
    "Digest",
    "DriftFlag",
    "Event",
    "Forecast",
    "Indicator",
    "LimitAlert",
    "MonitoringSettings",
    "Notice",
    "Preference",
    "Reading",
    "Review",
    "ReviewReason",
    "Severity",
    "Subscription",
    "Tie",
    "Webhook",
]

"""Each signed-in person gets pages in her own language and time zone."""

import zoneinfo
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from riskreg import logs
from riskreg.accounts.models import User


def zone_named(name: str) -> zoneinfo.ZoneInfo:
    """The zone, or UTC when the stored name is no longer known to this machine."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")


@contextmanager
def as_for(user: User) -> Iterator[None]:
    """Everything inside is said in the person's language and time zone."""
    with translation.override(user.language), timezone.override(zone_named(user.time_zone)):
        yield


def personal_settings(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        user = request.user
        if user.is_authenticated:
            logs.note(user_id=user.pk)
        language = user.language if user.is_authenticated else translation.get_language_from_request(request)
        zone = zone_named(user.time_zone if user.is_authenticated else settings.DEFAULT_USER_TIME_ZONE)
        with translation.override(language), timezone.override(zone):
            request.LANGUAGE_CODE = translation.get_language()
            response = get_response(request)
        response.headers.setdefault("Content-Language", language)
        if user.is_authenticated:
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware

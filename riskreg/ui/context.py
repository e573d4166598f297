from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    """What every page needs to know: the theme, the languages, and whether mail stays here."""
    user = getattr(request, "user", None)
    return {
        "theme": user.theme if user is not None and user.is_authenticated else "auto",
        "languages": settings.LANGUAGES,
        "local_inbox": settings.EMAIL_BACKEND == "riskreg.mail.backend.LocalInboxBackend",
        "currency": settings.CURRENCY,
    }

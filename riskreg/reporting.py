"""Reports errors to a Sentry-compatible server, where one is named; with as little about people as possible."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from riskreg import __version__


def start(dsn: str, *, environment: str) -> None:
    """Send errors of this process, pages and jobs alike, to the server of the DSN."""
    import sentry_sdk  # noqa: PLC0415 - whoever reports nothing need not load it
    from sentry_sdk.integrations.celery import CeleryIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.django import DjangoIntegration  # noqa: PLC0415
    from sentry_sdk.utils import BadDsn, Dsn  # noqa: PLC0415

    try:
        Dsn(dsn)
    except BadDsn as error:
        raise ImproperlyConfigured(f"SENTRY_DSN must be the address of a project, not this: {error}.") from error
    sentry_sdk.init(
        dsn=dsn,
        release=f"riskreg@{__version__}",
        environment=environment,
        integrations=[DjangoIntegration(), CeleryIntegration()],
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        traces_sample_rate=None,
        before_send=_only_what_is_needed,
    )


def _only_what_is_needed(event: Any, _hint: Any) -> Any:
    """Without query strings, headers and cookies, the lines logged before, the command line, and who it was."""
    request = event.get("request")
    if request:
        event["request"] = {"method": request.get("method"), "url": str(request.get("url", "")).partition("?")[0]}
    for part in ("breadcrumbs", "extra", "user", "server_name"):
        event.pop(part, None)
    return event

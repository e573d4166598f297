"""Doors that depend on the person alone; what depends on a risk is risks/access.py."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse


def admin_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """403 for everybody but administrators (signing in is asked for by the middleware)."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not (request.user.is_authenticated and request.user.is_admin):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded

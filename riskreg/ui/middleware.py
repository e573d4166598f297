"""Refuses what no browser sends, before anything reads it."""

import codecs
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest


def utf8_only(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A body may name its own charset; one such as unicode_escape would smuggle in what no database takes."""

    def middleware(request: HttpRequest) -> HttpResponse:
        try:
            known = codecs.lookup(request.encoding or "utf-8").name
        except LookupError:
            known = ""
        if known != "utf-8":
            return HttpResponseBadRequest("Only UTF-8 is understood.")
        return get_response(request)

    return middleware

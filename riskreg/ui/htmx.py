from django.http import HttpRequest


def wants_fragment(request: HttpRequest) -> bool:
    """Whether HTMX asks for a part of the page. Going back in the browser asks for the whole page."""
    htmx = getattr(request, "htmx", None)
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request

"""Tells a page that refreshes itself from a person who asks, by what the browser says: a matter of freshness alone."""

from django.http import HttpRequest

REFRESHED = "live"  # the part of a page that refreshes itself; htmx names it


def is_poll(request: HttpRequest) -> bool:
    return request.headers.get("HX-Trigger") == REFRESHED

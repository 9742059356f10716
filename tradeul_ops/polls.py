"""Tells a page that refreshes itself from a person who asks, by what the browser says: a matter of freshness alone."""

from django.http import HttpRequest

REFRESHED = "live"  # the part of a page that refreshes itself; htmx names it
KEPT = 1.0  # seconds that a poll may be told what another one was


def is_poll(request: HttpRequest) -> bool:
    return request.headers.get("HX-Trigger") == REFRESHED

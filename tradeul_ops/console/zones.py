"""The time zone that a person reads the pages in: UTC, New York or the browser's own, kept in a cookie.

Nothing is stored in it: rows, documents and logs stay UTC. Charts' sessions stay New York's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_safe

COOKIE = "zone"
KEPT = timedelta(days=365)
OFFERED = {"UTC": "UTC", "America/New_York": "New York"}  # the browser's own is offered by its script


def read_zone(name: str) -> tzinfo | None:
    """None for what is no name of a zone; a stranger writes the cookie."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # no name of a file; a folder's; of none that is there
        return None


def zone_of(request: HttpRequest) -> tuple[str, tzinfo]:
    name = request.COOKIES.get(COOKIE, "UTC")
    found = read_zone(name)
    return ("UTC", UTC) if found is None else (name, found)


def spell_offset(at: datetime) -> str:
    """The offset that a moment has in its zone: UTC, UTC−5, UTC+5:30."""
    offset = at.utcoffset() or timedelta()
    minutes = round(abs(offset).total_seconds() / 60)
    if not minutes:
        return "UTC"
    sign = "−" if offset < timedelta() else "+"
    return f"UTC{sign}{minutes // 60}" + (f":{minutes % 60:02}" if minutes % 60 else "")


def show_in_zone(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Templates' own filters and `clock` follow the zone that is active for the request."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with timezone.override(zone_of(request)[1]):
            return get_response(request)

    return middleware


def context(request: HttpRequest) -> dict[str, Any]:
    name, zone = zone_of(request)
    now = timezone.now()
    offered = {**OFFERED, **({} if name in OFFERED else {name: name.rpartition("/")[2].replace("_", " ")})}
    choices = [
        (value, label, spell_offset(now.astimezone(found)))
        for value, label in offered.items()
        if (found := read_zone(value)) is not None
    ]
    return {"zone_name": name, "zone_offset": spell_offset(now.astimezone(zone)), "zone_choices": choices}


@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """Keeps the choice and goes back. A GET, since it changes nothing but the asker's own view, read-only or not."""
    back = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        back = reverse("overview")
    response = HttpResponseRedirect(back)  # redirect() would take it for the name of a view
    name = request.GET.get("zone", "")
    if read_zone(name) is not None:
        age = int(KEPT.total_seconds())
        response.set_cookie(
            COOKIE, name, max_age=age, samesite="Lax", httponly=True, secure=settings.SESSION_COOKIE_SECURE
        )
    return response

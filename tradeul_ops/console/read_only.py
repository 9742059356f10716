"""TRADEUL_READ_ONLY: the web process refuses whatever is no reading. Stops neither producers nor the worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
COMING_AND_GOING = ("login", "logout", "admin:login", "admin:logout")
REFUSED = gettext_lazy("This console is read-only (TRADEUL_READ_ONLY): nothing was changed.")


def refuse_changes(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """By the method alone, whoever asks and whatever the address: no view can be forgotten."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.READ_ONLY and request.method not in SAFE and request.path_info not in _doors():
            if request.headers.get("HX-Request"):
                return HttpResponse(REFUSED, status=403, content_type="text/plain")
            return render(request, "403.html", status=403)
        return get_response(request)

    return middleware


def hide_changes(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Pages and the admin ask the person's permissions for which buttons to draw: only those of reading are left.

    Stands after the middleware that finds out who asks, and before every view.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.READ_ONLY:
            who = request.user
            request.user = SimpleLazyObject(lambda: _looking_only(who))  # type: ignore[assignment]
        return get_response(request)

    return middleware


def context(request: HttpRequest) -> dict[str, Any]:
    return {"read_only": settings.READ_ONLY}


def _looking_only(user: Any) -> Any:
    """The same person, who for this request holds no permission but those to view. Superusers too."""
    holds = user.has_perm

    def has_perm(permission: str, obj: Any = None) -> bool:
        return permission.partition(".")[2].startswith("view_") and bool(holds(permission, obj))

    user.has_perm = has_perm
    return user


def _doors() -> set[str]:
    return {reverse(name) for name in COMING_AND_GOING}

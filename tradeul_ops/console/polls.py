"""Pages that refresh themselves: told from a person who asks, by what the browser says, and drawn once for a crowd."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language

from tradeul_ops.console.zones import zone_of
from tradeul_ops.turns import Turns

REFRESHED = "live"  # the part of a page that refreshes itself; htmx names it
View = Callable[[HttpRequest], HttpResponse]

_turns = Turns()


def is_poll(request: HttpRequest) -> bool:
    return request.headers.get("HX-Trigger") == REFRESHED


def drawn_together(view: View) -> View:
    """One drawing for all polls that wait for the same: however many operators look, a process draws one at a time.

    The same is: the address, and what the asker may do and reads it in. For views whose fragment holds nothing else of
    the asker's: no form, no name.
    """

    @wraps(view)
    def together(request: HttpRequest) -> HttpResponse:
        if not is_poll(request):
            return view(request)
        user = request.user
        may = user.is_superuser or frozenset(user.get_all_permissions())
        key = (request.get_full_path(), may, zone_of(request)[0], get_language())
        drawn = _turns.share(key, lambda: view(request))
        return HttpResponse(drawn.content, status=drawn.status_code, content_type=drawn.headers["Content-Type"])

    return together

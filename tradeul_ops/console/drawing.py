"""Draws the part of a page that changes once a second for all who poll it. Knows no page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language

from streams.services import version_in_force
from tradeul_ops.console.zones import zone_of
from tradeul_ops.polls import KEPT, is_poll
from tradeul_ops.turns import Turns

View = Callable[[HttpRequest], HttpResponse]

_turns = Turns()


def drawn_together(view: View) -> View:
    """One drawing for all polls that ask for the same: however many operators look, a process draws one at a time.

    The same is: the address, what the asker may do and reads it in, and the limits in force, so that nobody who edited
    one is shown the value before. For views whose fragment holds nothing else of the asker's: no form, no name.
    """

    @wraps(view)
    def together(request: HttpRequest) -> HttpResponse:
        if not is_poll(request):
            return view(request)
        user = request.user
        may = user.is_superuser or frozenset(user.get_all_permissions())
        version = version_in_force()
        key = (request.get_full_path(), may, zone_of(request)[0], get_language(), version)
        drawn = _turns.share(key, lambda: view(request), within=KEPT if version is not None else 0.0)
        return HttpResponse(drawn.content, status=drawn.status_code, content_type=drawn.headers["Content-Type"])

    return together

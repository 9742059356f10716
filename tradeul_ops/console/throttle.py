"""Slows down who guesses passwords: django-axes' own handler, which here keeps little and not for long."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest, QueryDict

ATTEMPTS_KEPT = 10_000  # rows of about 1 KB; those older than the cool-off go with the next failed login


class ThrottleHandler(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """Axes appends what was sent with a failed login to its row each time, megabytes if a stranger likes.

    Nobody needs it, and a password typed as the name would be in it.
    """

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        if request is None:
            return
        sent = request.GET, request.POST
        request.GET = request.POST = QueryDict()
        try:
            super().user_login_failed(sender, credentials, request, **kwargs)
        finally:
            request.GET, request.POST = sent


def prune(*, keep: int) -> int:
    """Deletes all but the newest `keep` rows; returns how many went."""
    newest_to_go = AccessAttempt.objects.order_by("-id").values_list("id", flat=True)[keep : keep + 1].first()
    return 0 if newest_to_go is None else int(AccessAttempt.objects.filter(id__lte=newest_to_go).delete()[0])


def client_address(request: HttpRequest) -> str | None:
    """Who asks, as the outermost of our own proxies saw it: what a client writes into the header is not believed."""
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
    said = hops[-settings.PROXIES] if 0 < settings.PROXIES <= len(hops) else request.META.get("REMOTE_ADDR", "")
    try:
        return str(ip_address(said))
    except ValueError:  # a Unix socket has none
        return None

"""Answers for PostgreSQL: 503, since when, while it is away; 400 for text that it can't hold. Hides no other error.

And keeps pages out of caches.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tradeul_ops.databases import READ_ONLY, sqlstate_of

# By SQLSTATE. Its own text may name hosts and roles, and this page is for strangers, too.
WORDS = {
    READ_ONLY: _("PostgreSQL takes no writes, it is read-only or a standby"),
    "53100": _("PostgreSQL's disk is full"),
    "55P03": _("PostgreSQL waits for a lock that somebody else holds"),
}

logger = logging.getLogger(__name__)


def keep_out_of_caches(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Whatever says nothing of caches itself: after a logout the Back button shows nothing of what stood there."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return middleware


class DatabaseAway:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.since: datetime | None = None  # as this process saw it

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code < 400 and settings.SESSION_COOKIE_NAME in request.COOKIES:
            self.since = None  # a session was read
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, (OperationalError, InterfaceError)):
            return None
        self.since = self.since or timezone.now()
        logger.warning("%s: PostgreSQL can't: %s", request.path, " ".join(str(error).split()))
        what = WORDS.get(sqlstate_of(error) or "", _("PostgreSQL does not answer"))
        page = render_to_string("503.html", {"since": self.since, "what": what})
        return HttpResponse(page, status=503, headers={"Retry-After": "5"})


class TextUnstorable:
    """A NUL is fine in a Redis key, and so in an address; a lone surrogate comes from bytes that are no text."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        no_text = isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed"
        if no_text or (isinstance(error, DataError) and "NUL" in str(error)):
            return HttpResponse(render_to_string("400.html"), status=400)
        return None

"""Ends a session that nobody uses any more, and every session twelve hours after its login. Counts no poll as use.

The time of the last use stands in the session itself, in PostgreSQL, and is written at most once a minute.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from tradeul_ops.polls import is_poll

USED_AT = "used_at"  # seconds since 1970
WRITTEN_EVERY = 60.0
AWAY = (DatabaseError, InterfaceError)

logger = logging.getLogger(__name__)


def limit_lifetime(request: HttpRequest, **_: Any) -> None:
    """From the login on, whatever is saved later: Django would begin anew with each time that a session is saved."""
    request.session.set_expiry(timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE))
    request.session[USED_AT] = time.time()


def end_idle_sessions(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Stands after the middleware that knows the session. SESSION_IDLE_AFTER of 0: they end by their age alone."""

    def middleware(request: HttpRequest) -> HttpResponse:
        idle_after = settings.SESSION_IDLE_AFTER.total_seconds()
        if not idle_after or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return get_response(request)
        if (unused := _unused_seconds(request)) is not None and unused > idle_after:
            _end(request)
        response = get_response(request)
        if not is_poll(request):
            _note_use(request)
        return response

    return middleware


def _unused_seconds(request: HttpRequest) -> float | None:
    """None of nobody's session, and while PostgreSQL is away: the page that is asked for meets that, and says so.

    A session that has no time yet is used now.
    """
    try:
        if SESSION_KEY not in request.session:
            return None
        return time.time() - float(request.session.get(USED_AT, time.time()))
    except AWAY:
        return None


def _end(request: HttpRequest) -> None:
    """The row too, where PostgreSQL takes writes; where not, it is refused again at its next request."""
    try:
        logout(request)
    except AWAY:
        request.session, request.user = type(request.session)(), AnonymousUser()


def _note_use(request: HttpRequest) -> None:
    """Not through `modified`: a page that was answered stands, also where PostgreSQL takes no writes at the moment."""
    session = request.session
    if not session.accessed or session.modified:  # nobody's, or saved anyway
        return
    try:
        unused = _unused_seconds(request)
        if unused is not None and (unused > WRITTEN_EVERY or USED_AT not in session):
            session[USED_AT] = time.time()
            session.save(must_create=False)
    except (*AWAY, UpdateError) as error:  # the latter: it was ended meanwhile
        logger.debug("when the session was used is not written: %s", error)
    finally:
        session.modified = False

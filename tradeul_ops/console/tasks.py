"""The console's own housekeeping: bounds the audit and the sessions. Touches no app's rows."""

from __future__ import annotations

import logging

from celery import shared_task
from django.contrib.sessions.backends.db import SessionStore
from django.db import InterfaceError, OperationalError

from tradeul_ops import audit

AUDIT_KEPT = 50_000  # lines: years of edits by hand
logger = logging.getLogger(__name__)


@shared_task(name="console.prune_history", ignore_result=True)
def prune_history() -> None:
    try:
        audit.prune(keep=AUDIT_KEPT)
        SessionStore.clear_expired()
    except (OperationalError, InterfaceError) as error:
        logger.warning("prune the audit: not this time. %s", " ".join(str(error).split()))

"""The console's own tasks: bounds the audit, sessions and failed logins, notes findings. Touches no app's rows."""

from __future__ import annotations

import logging

from celery import shared_task
from django.contrib.sessions.backends.db import SessionStore
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from redis import RedisError

from tradeul_ops import audit
from tradeul_ops.console import throttle
from tradeul_ops.console.findings import judge_and_note
from tradeul_ops.console.overview import read_overview
from tradeul_ops.console.tiles import keep_memory

AUDIT_KEPT = 50_000  # lines: years of edits by hand
logger = logging.getLogger(__name__)


@shared_task(name="console.prune_history", ignore_result=True)
def prune_history() -> None:
    try:
        audit.prune(keep=AUDIT_KEPT)
        SessionStore.clear_expired()
        throttle.prune(keep=throttle.ATTEMPTS_KEPT)
    except (OperationalError, InterfaceError) as error:
        logger.warning("prune the audit: not this time. %s", " ".join(str(error).split()))


@shared_task(name="console.note_findings", ignore_result=True)
def note_findings() -> None:
    """So that “since” is when it began, not when somebody first looked; and Redis' memory gets an hour of history."""
    try:
        overview = read_overview(now=timezone.now())
        judge_and_note(overview)
        if overview.streams.value is not None and not overview.streams.stale:
            keep_memory(overview.streams.value.memory.used_bytes, now=overview.read_at)
    except RedisError as error:
        logger.warning("note findings: the broker does not answer. %s", " ".join(str(error).split()))
    except (OperationalError, InterfaceError) as error:
        logger.warning("note findings: not this time. %s", " ".join(str(error).split()))

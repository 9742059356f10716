"""Changes limits: the row, the audit line, and after the commit whoever must know. Every door saves through here."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from celery import signature
from django.core.exceptions import ValidationError
from django.db import transaction
from kombu.exceptions import OperationalError as BrokerError

from streams.engine.limits import Limit, errors_of
from streams.engine.loss import lowers
from streams.models import StreamLimit
from streams.services.previews import LossRefused, preview_change
from streams.services.publishing import publish_or_warn
from tradeul_ops import audit

EDITABLE = (
    "stream",
    "maxlen",
    "trim_threshold",
    "trim_interval",
    "approximate",
    "protect_groups",
    "hard_maxlen",
    "enabled",
    "note",
)

logger = logging.getLogger(__name__)


def create_limit(row: StreamLimit, *, user_id: int, now: datetime, accepted_loss: int = 0) -> None:
    """Saves a new row. Raises ValidationError by field, and LossRefused as update_limit does."""
    _check(row)
    _refuse_loss(None, row.limit, now=now, accepted_loss=accepted_loss)
    row.updated_at, row.updated_by_id = now, user_id
    with transaction.atomic():
        row.save(force_insert=True)
        audit.record(user_id=user_id, row=row, flag=audit.ADDED, changes={})
        _tell(row.stream)


def update_limit(
    limit_id: int, changes: Mapping[str, Any], *, user_id: int, now: datetime, accepted_loss: int = 0
) -> StreamLimit:
    """Saves those of `changes` that differ from the row, and no other field. Raises ValidationError by field.

    Raises LossRefused where that takes more entries from groups than `accepted_loss`, as far as Redis can say it;
    ANY_LOSS accepts what it can't. After the commit producers are told and the stream is trimmed, without waiting for
    its threshold.
    """
    if unknown := changes.keys() - set(EDITABLE):
        raise ValueError(f"no operator edits {', '.join(sorted(unknown))}.")
    with transaction.atomic():
        row = StreamLimit.objects.select_for_update().get(pk=limit_id)
        changed = {name: (getattr(row, name), new) for name, new in changes.items() if getattr(row, name) != new}
        if not changed:
            return row
        old = row.limit
        for name, (_, new) in changed.items():
            setattr(row, name, new)
        _check(row)  # together with what someone else may have saved since the form was shown
        _refuse_loss(old, row.limit, now=now, accepted_loss=accepted_loss)
        row.updated_at, row.updated_by_id = now, user_id
        audit.record(user_id=user_id, row=row, flag=audit.CHANGED, changes=changed)
        saved = [*changed, "updated_at", "updated_by"]
        if changed.keys() != {"note"}:
            row.due_at = None
            saved.append("due_at")
            _tell(row.stream)
        row.save(update_fields=saved)
    return row


def delete_limit(limit_id: int, *, user_id: int) -> None:
    """Removes the limit; the stream stays as it is, and grows from now on."""
    with transaction.atomic():
        row = StreamLimit.objects.select_for_update().get(pk=limit_id)
        audit.record(user_id=user_id, row=row, flag=audit.DELETED, changes={})
        row.delete()
        transaction.on_commit(publish_or_warn)


def _check(row: StreamLimit) -> None:
    if errors := errors_of(row.limit):
        raise ValidationError(dict(errors))


def _refuse_loss(old: Limit | None, new: Limit, *, now: datetime, accepted_loss: int) -> None:
    """Asks Redis only where the change can lose anything, so that the others are saved while it is away."""
    if lowers(old, new) and not (preview := preview_change(old, new, now=now)).allowed_by(accepted_loss):
        raise LossRefused(preview, accepted_loss=accepted_loss)


def _tell(stream: str) -> None:
    """Producers first: a stream that is trimmed while they go by the old limit fills up again."""
    transaction.on_commit(publish_or_warn)
    transaction.on_commit(partial(_send_enforcement, stream))


def _send_enforcement(stream: str) -> None:
    try:
        signature("streams.enforce_limit", args=(stream,)).delay()
    except BrokerError as error:
        logger.warning("%s is trimmed by the next sweep, not now: the broker does not answer (%s).", stream, error)

"""Changes limits: the row, the audit line, and after the commit whoever must know. Every door saves through here."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from typing import Any

from celery import signature
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext
from kombu.exceptions import OperationalError as BrokerError

from streams.engine.changes import ChangePreview
from streams.engine.prediction import prediction_of
from streams.engine.rules import Rule, rule_errors
from streams.models import Stream, StreamLimit
from streams.services.previews import LossRefused, preview_rule
from streams.services.publishing import publish_or_warn
from streams.services.rules import remember
from tradeul_ops import audit
from tradeul_ops.locks import until_commit

EDITABLE = (
    "pattern",
    "priority",
    "is_ceiling",
    "maxlen",
    "trim_threshold",
    "max_age",
    "max_bytes",
    "trim_interval",
    "approximate",
    "protect_groups",
    "hard_maxlen",
    "ignore_groups_idle_for",
    "enabled",
    "note",
)
TRIMMED_AT_ONCE = 20  # streams; more are left to the next sweep, which is asked for at once

_together: ContextVar[list[str] | None] = ContextVar("streams of edits that are told of together", default=None)

logger = logging.getLogger(__name__)


def create_limit(row: StreamLimit, *, user_id: int, now: datetime, accepted_loss: int = 0) -> None:
    """Saves a new row. Raises ValidationError by field, and LossRefused as update_limit does."""
    _check(row)
    with transaction.atomic(), _one_per_pattern(row):
        one_edit_at_a_time()
        preview = _agreed(None, row.rule, now=now, accepted_loss=accepted_loss)
        row.updated_at, row.updated_by_id = now, user_id
        row.save(force_insert=True)
        added = {name: (None, getattr(row, name)) for name in EDITABLE}
        audit.record(user_id=user_id, row=row, flag=audit.ADDED, changes=added, predicted=_predicted(preview))
        _tell(preview)


def update_limit(
    limit_id: int, changes: Mapping[str, Any], *, user_id: int, now: datetime, accepted_loss: int = 0
) -> StreamLimit:
    """Saves those of `changes` that differ from the row, and no other field. Raises ValidationError by field.

    Raises LossRefused where that takes more entries from groups than `accepted_loss`, as far as Redis can say it;
    ANY_LOSS accepts what it can't. After the commit producers are told, and the streams whose limit it changes are
    trimmed, without waiting for their threshold.
    """
    if unknown := changes.keys() - set(EDITABLE):
        raise ValueError(f"no operator edits {', '.join(sorted(unknown))}.")
    with transaction.atomic():
        one_edit_at_a_time()
        row = StreamLimit.objects.select_for_update().get(pk=limit_id)
        changed = {name: (getattr(row, name), new) for name, new in changes.items() if getattr(row, name) != new}
        if not changed:
            return row
        old = row.rule
        for name, (_, new) in changed.items():
            setattr(row, name, new)
        _check(row)  # together with what someone else may have saved since the form was shown
        predicted = None
        if changed.keys() != {"note"}:
            preview = _agreed(old, row.rule, now=now, accepted_loss=accepted_loss)
            predicted = _predicted(preview)
            _tell(preview)
        row.updated_at, row.updated_by_id = now, user_id
        audit.record(user_id=user_id, row=row, flag=audit.CHANGED, changes=changed, predicted=predicted)
        with _one_per_pattern(row):
            row.save(update_fields=[*changed, "updated_at", "updated_by"])
    return row


def delete_limit(limit_id: int, *, user_id: int, now: datetime, accepted_loss: int = 0) -> None:
    """Removes the limit. Its streams fall to the next that matches, else they grow from now on.

    Raises LossRefused where that next one takes more from groups.
    """
    with transaction.atomic():
        one_edit_at_a_time()
        row = StreamLimit.objects.select_for_update().get(pk=limit_id)
        preview = _agreed(row.rule, None, now=now, accepted_loss=accepted_loss)
        removed = {name: (getattr(row, name), None) for name in EDITABLE}
        audit.record(user_id=user_id, row=row, flag=audit.DELETED, changes=removed, predicted=_predicted(preview))
        row.delete()
        _tell(preview)


def one_edit_at_a_time() -> None:
    """Until the transaction ends: a preview is of all rules, and two edits that each lose nothing may lose together."""
    until_commit("streams.edits")


@contextmanager
def _one_per_pattern(row: StreamLimit) -> Iterator[None]:
    """Two that add the same pattern at once: the second is told at its field."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "stream_limit_once_per_pattern" not in str(error):
            raise
        raise ValidationError({"pattern": gettext("{row} has a limit already.").format(row=row)}) from error


def _check(row: StreamLimit) -> None:
    if errors := rule_errors(row.rule):
        raise ValidationError(dict(errors))


def _agreed(old: Rule | None, new: Rule | None, *, now: datetime, accepted_loss: int) -> ChangePreview:
    preview = preview_rule(old, new, now=now)
    if not preview.allowed_by(accepted_loss):
        raise LossRefused(preview, accepted_loss=accepted_loss)
    return preview


def _predicted(preview: ChangePreview) -> dict[str, Any] | None:
    found = prediction_of(preview)
    return found.as_record() if found else None


def _tell(preview: ChangePreview) -> None:
    """Producers first: a stream that is trimmed while they go by the old limit fills up again."""
    streams = [change.stream for change in preview.changes if change.changes_limit]
    remember(streams)
    Stream.objects.filter(name__in=streams).update(due_at=None)
    together = _together.get()
    if together is None:
        _tell_of(streams)
    else:
        together += streams


def _tell_of(streams: Iterable[str]) -> None:
    transaction.on_commit(publish_or_warn)
    transaction.on_commit(partial(_send_enforcement, list(streams)))


@contextmanager
def told_together() -> Iterator[None]:
    """Producers and worker are told once of all the edits made within, in one transaction."""
    token = _together.set([])
    try:
        yield
        _tell_of(dict.fromkeys(_together.get() or ()))
    finally:
        _together.reset(token)


def _send_enforcement(streams: Iterable[str]) -> None:
    names = list(streams)
    tasks = [signature("streams.enforce_limit", args=(name,)) for name in names[:TRIMMED_AT_ONCE]]
    if len(names) > TRIMMED_AT_ONCE:
        tasks = [signature("streams.enforce_limits")]
    try:
        for task in tasks:
            task.delay()
    except BrokerError as error:
        logger.warning("%s: trimmed by the next sweep, not now: no broker (%s).", ", ".join(names[:3]), error)

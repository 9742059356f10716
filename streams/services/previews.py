"""Says what a change of a limit would lose, before it is made. Changes nothing; edits.py asks again when it saves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError

from streams import store
from streams.engine.limits import Limit, errors_of
from streams.engine.loss import LossPreview, needs_cut, preview_loss, unreadable
from streams.models import StreamLimit
from tradeul_ops.connections import data_redis


class LossRefused(ValidationError):
    """The change would lose entries that a group still needs, more than was agreed to; `preview` says which."""

    def __init__(self, preview: LossPreview, *, accepted_loss: int) -> None:
        grew = "more than what was agreed to" if accepted_loss else "entries that a group may still need"
        super().__init__(f"Not saved, it would lose {grew}. {preview.sentence}", code="loss")
        self.preview = preview


def preview_limit(limit_id: int, changes: Mapping[str, Any], *, now: datetime) -> LossPreview:
    """What saving `changes` would do. Raises StreamLimit.DoesNotExist, and ValidationError by field."""
    row = StreamLimit.objects.get(pk=limit_id)
    old = row.limit
    for name, new in changes.items():
        setattr(row, name, new)
    if errors := errors_of(row.limit):
        raise ValidationError(dict(errors))
    return preview_change(old, row.limit, now=now)


def preview_change(old: Limit | None, new: Limit, *, now: datetime) -> LossPreview:
    """`old` None: the limit is new. A Redis that is away makes the preview unknown, not an error."""
    client = data_redis()
    try:
        state = store.read_states(client, [new.stream])[new.stream]
        if isinstance(state, store.StreamError):
            raise state
        cap = new.producer_maxlen
        cut = store.read_cut(client, state, keep=cap) if cap is not None and needs_cut(state, limit=new) else None
        oldest = store.read_oldest_pending(client, state) if new.protect_groups else {}
    except store.WrongType as error:
        return unreadable(old=old, new=new, problem=str(error), is_stream=False)
    except store.StoreError as error:
        return unreadable(old=old, new=new, problem=str(error))
    return preview_loss(state, old=old, new=new, now=now, cut=cut, oldest_pending=oldest)

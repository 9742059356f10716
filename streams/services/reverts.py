"""Takes a recorded change of a limit back: through the same door as any edit, so with its preview and audit line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from django.utils.translation import gettext

from streams.models import StreamLimit
from streams.services.edits import EDITABLE, create_limit, delete_limit, one_edit_at_a_time, update_limit
from tradeul_ops import audit

CHANGES_SHOWN = 20


class CannotRevert(Exception):
    """The limit is no longer as that change left it, or the change was recorded without values."""


@dataclass(frozen=True, slots=True)
class Change:
    """One audit line. `moves` is (field, old, new), as a person reads them."""

    id: int
    at: datetime
    by: str
    what: str
    moves: tuple[tuple[str, Any, Any], ...]
    revertible: bool


def limit_changes(limit_id: int) -> tuple[Change, ...]:
    """The newest first."""
    kind = ContentType.objects.get_for_model(StreamLimit)
    entries = LogEntry.objects.filter(content_type=kind, object_id=str(limit_id)).select_related("user").order_by("-id")
    return tuple(_change(entry) for entry in entries[:CHANGES_SHOWN])


def revert_change(entry_id: int, *, user_id: int, now: datetime, accepted_loss: int = 0) -> str:
    """Puts back what the limit was before; returns what was done, in words.

    Raises CannotRevert, LogEntry.DoesNotExist, and what an edit raises: ValidationError, LossRefused.
    """
    entry = LogEntry.objects.get(pk=entry_id, content_type=ContentType.objects.get_for_model(StreamLimit))
    recorded = {name: pair for name, pair in audit.values_of(entry).items() if name in EDITABLE}
    if not recorded:
        raise CannotRevert(gettext("This change was recorded without its values."))
    old = {name: _value(name, before) for name, (before, _) in recorded.items()}
    new = {name: _value(name, after) for name, (_, after) in recorded.items()}
    if entry.action_flag == audit.DELETED:
        create_limit(
            StreamLimit(pk=int(entry.object_id or 0), **old), user_id=user_id, now=now, accepted_loss=accepted_loss
        )
        return gettext("{object_repr}: its limit is there again.").format(object_repr=entry.object_repr)
    with transaction.atomic():
        return _revert(entry, old=old, new=new, user_id=user_id, now=now, accepted_loss=accepted_loss)


def _revert(
    entry: LogEntry, *, old: dict[str, Any], new: dict[str, Any], user_id: int, now: datetime, accepted_loss: int
) -> str:
    """One that was added or changed; nobody edits it between the look and the deed."""
    one_edit_at_a_time()
    row = StreamLimit.objects.filter(pk=int(entry.object_id or 0)).first()
    if row is None:
        raise CannotRevert(
            gettext("{object_repr} has been deleted since: take that back first.").format(object_repr=entry.object_repr)
        )
    if moved := [name for name, value in new.items() if getattr(row, name) != value]:
        raise CannotRevert(
            gettext("{moved} of {row} changed again since: take that back first, or edit it.").format(
                moved=", ".join(moved), row=row
            )
        )
    if entry.action_flag == audit.ADDED:
        delete_limit(row.pk, user_id=user_id, now=now, accepted_loss=accepted_loss)
        return gettext("{row}: the limit that was added is deleted.").format(row=row)
    update_limit(row.pk, old, user_id=user_id, now=now, accepted_loss=accepted_loss)
    return gettext("{row}: {old} as before.").format(row=row, old=", ".join(old))


def _change(entry: LogEntry) -> Change:
    values = {name: pair for name, pair in audit.values_of(entry).items() if name in EDITABLE}
    moves = tuple((name, _value(name, old), _value(name, new)) for name, (old, new) in values.items() if old != new)
    what = {audit.ADDED: "added", audit.CHANGED: "changed", audit.DELETED: "deleted"}[entry.action_flag]
    return Change(entry.pk, entry.action_time, entry.user.get_username(), what, moves, bool(values))


def _value(name: str, said: Any) -> Any:
    """As the row has it: durations are kept as seconds."""
    field = StreamLimit._meta.get_field(name)
    return timedelta(seconds=said) if isinstance(field, models.DurationField) and said is not None else said

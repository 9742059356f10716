"""Records who changed which row, from what to what. Keeps them in Django admin's own log: one for all doors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models

ADDED, CHANGED, DELETED = ADDITION, CHANGE, DELETION
WORDS = {ADDED: "added", CHANGED: "changed", DELETED: "deleted"}


def record(
    *,
    user_id: int,
    row: models.Model,
    flag: int,
    changes: Mapping[str, tuple[Any, Any]],
    predicted: Mapping[str, Any] | None = None,
) -> LogEntry:
    """One line: `changes` is field name → (old, new). Belongs in the transaction that writes the row.

    `predicted`: what the preview said that it does, in words and numbers that JSON has.
    """
    said: dict[str, Any] = {"values": {name: [_kept(old), _kept(new)] for name, (old, new) in changes.items()}}
    if predicted is not None:
        said["predicted"] = dict(predicted)
    fields = [f"{name}: {_plain(old)} → {_plain(new)}" for name, (old, new) in changes.items()]
    # The words that Django's own history shows; `values` are for whoever takes the change back.
    shown: dict[int, dict[str, Any]] = {
        ADDED: {},
        CHANGED: {"fields": fields},
        DELETED: {"name": str(row._meta.verbose_name), "object": str(row)},
    }
    said[WORDS[flag]] = shown[flag]
    return LogEntry.objects.create(
        user_id=user_id,
        content_type=ContentType.objects.get_for_model(row),
        object_id=str(row.pk),
        object_repr=str(row)[:200],
        action_flag=flag,
        change_message=json.dumps([said]),
    )


def record_deed(*, user_id: int, name: str, said: str) -> LogEntry:
    """One line for what somebody did that changed no row, such as running a task now."""
    return LogEntry.objects.create(
        user_id=user_id, object_id=name, object_repr=name[:200], action_flag=CHANGED, change_message=said
    )


def values_of(entry: LogEntry) -> dict[str, tuple[Any, Any]]:
    """Field name → (old, new) as recorded: durations in seconds, all else as JSON has it. Empty: none were."""
    try:
        said = json.loads(entry.change_message)
        return {name: (old, new) for name, (old, new) in said[0]["values"].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def predicted_of(entry: LogEntry) -> dict[str, Any] | None:
    """What was predicted when the change was made. None: nothing was."""
    try:
        said = json.loads(entry.change_message)[0].get("predicted")
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return said if isinstance(said, dict) else None


def prune(*, keep: int) -> int:
    """Deletes all but the newest `keep` lines; returns how many went."""
    newest_to_go = LogEntry.objects.order_by("-id").values_list("id", flat=True)[keep : keep + 1].first()
    return 0 if newest_to_go is None else LogEntry.objects.filter(id__lte=newest_to_go).delete()[0]


def _kept(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _plain(value: Any) -> str:
    return "–" if value is None else str(value)

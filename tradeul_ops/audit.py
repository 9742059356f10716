"""Records who changed which row, from what to what. Keeps them in Django admin's own log: one for all doors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models

ADDED, CHANGED, DELETED = ADDITION, CHANGE, DELETION


def record(*, user_id: int, row: models.Model, flag: int, changes: Mapping[str, tuple[Any, Any]]) -> LogEntry:
    """One line: `changes` is field name → (old, new). Belongs in the transaction that writes the row."""
    fields = [{"name": name, "old": _plain(old), "new": _plain(new)} for name, (old, new) in changes.items()]
    return LogEntry.objects.create(
        user_id=user_id,
        content_type=ContentType.objects.get_for_model(row),
        object_id=str(row.pk),
        object_repr=str(row)[:200],
        action_flag=flag,
        change_message=json.dumps([{"changed": {"fields": [f"{f['name']}: {f['old']} → {f['new']}" for f in fields]}}])
        if flag == CHANGED
        else "",
    )


def prune(*, keep: int) -> int:
    """Deletes all but the newest `keep` lines; returns how many went."""
    newest_to_go = LogEntry.objects.order_by("-id").values_list("id", flat=True)[keep : keep + 1].first()
    return 0 if newest_to_go is None else LogEntry.objects.filter(id__lte=newest_to_go).delete()[0]


def _plain(value: Any) -> str:
    return "–" if value is None else str(value)

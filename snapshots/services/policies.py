"""Changes policies: the row and its audit line, together. Every door saves through here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from snapshots.models import SnapshotPolicy
from snapshots.services.publishing import publish_or_warn
from tradeul_ops import audit

EDITABLE = (
    "name",
    "source_kind",
    "source_key",
    "build_interval",
    "full_snapshot_interval",
    "delta_compression_threshold",
    "compression_level",
    "max_delta_ratio",
    "profile",
    "thresholds",
    "full_ttl",
    "delta_ttl",
    "is_default",
    "enabled",
    "note",
)


def create_policy(row: SnapshotPolicy, *, user_id: int) -> None:
    """Saves a new row. Raises ValidationError by field."""
    row.full_clean()
    row.updated_at, row.updated_by_id = timezone.now(), user_id
    with transaction.atomic():
        row.save(force_insert=True)
        audit.record(user_id=user_id, row=row, flag=audit.ADDED, changes={})
        transaction.on_commit(publish_or_warn)


def update_policy(policy_id: int, changes: Mapping[str, Any], *, user_id: int) -> SnapshotPolicy:
    """Saves those of `changes` that differ from the row; the next build obeys them. Raises ValidationError by field."""
    if unknown := changes.keys() - set(EDITABLE):
        raise ValueError(f"no operator edits {', '.join(sorted(unknown))}.")
    with transaction.atomic():
        row = SnapshotPolicy.objects.select_for_update().get(pk=policy_id)
        changed = {name: (getattr(row, name), new) for name, new in changes.items() if getattr(row, name) != new}
        if not changed:
            return row
        for name, (_, new) in changed.items():
            setattr(row, name, new)
        row.full_clean()  # together with what someone else may have saved since the form was shown
        row.updated_at, row.updated_by_id = timezone.now(), user_id
        audit.record(user_id=user_id, row=row, flag=audit.CHANGED, changes=changed)
        row.save(update_fields=[*changed, "updated_at", "updated_by"])
        transaction.on_commit(publish_or_warn)
    return row


def delete_policy(policy_id: int, *, user_id: int) -> None:
    """Removes the row and its history; what is in Redis expires by itself."""
    with transaction.atomic():
        row = SnapshotPolicy.objects.select_for_update().get(pk=policy_id)
        audit.record(user_id=user_id, row=row, flag=audit.DELETED, changes={})
        row.delete()
        transaction.on_commit(publish_or_warn)

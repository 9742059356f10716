"""Saves what an operator changes in a policy, with its audit line, and applies it after the commit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, TypeVar

from django.db import transaction

from timescale.models import AggregatePolicy, HypertablePolicy
from timescale.services.applying import apply_aggregate_policy, apply_policy
from timescale.store.errors import TimescaleError
from tradeul_ops import audit

Policy = TypeVar("Policy", HypertablePolicy, AggregatePolicy)

logger = logging.getLogger(__name__)


def update_policy(kind: type[Policy], policy_id: int, *, changes: Mapping[str, Any], user_id: int) -> Policy:
    """Writes `changes` and their audit line, and applies them after the commit. Raises ValidationError."""
    with transaction.atomic():
        row: Policy = kind._default_manager.select_for_update().get(pk=policy_id)
        changed = {name: (getattr(row, name), new) for name, new in changes.items() if getattr(row, name) != new}
        if not changed:
            return row
        for name, (_, new) in changed.items():
            setattr(row, name, new)
        row.full_clean()
        row.save(update_fields=list(changed))
        audit.record(user_id=user_id, row=row, flag=audit.CHANGED, changes=changed)
        transaction.on_commit(lambda: _apply_or_leave(row))
    return row


def _apply_or_leave(row: HypertablePolicy | AggregatePolicy) -> None:
    """The row is saved whatever happens here; reconciling makes up for it within a minute."""
    try:
        apply_policy(row.pk) if isinstance(row, HypertablePolicy) else apply_aggregate_policy(row.pk)
    except TimescaleError as error:
        logger.warning("not applied yet: %s", error)

"""Saves what an operator changes in a policy, with its audit line, and applies it after the commit."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext

from timescale.engine.drift import Kind
from timescale.engine.policies import WantedTable, column_errors
from timescale.models import AggregatePolicy, HypertablePolicy
from timescale.services.applying import apply_aggregate_policy, apply_policy, bound_of
from timescale.services.comparison import read_survey
from timescale.services.grace import note_bound, read_graces
from timescale.services.previews import LossRefused, PolicyRow, preview_change
from timescale.store import catalog
from timescale.store.errors import TimescaleError
from tradeul_ops import audit

Policy = TypeVar("Policy", HypertablePolicy, AggregatePolicy)

_TABLE_KINDS = {
    "chunk_time_interval": (Kind.CHUNKS,),
    "drop_after": (Kind.RETENTION,),
    "retention_schedule_interval": (Kind.RETENTION,),
    "columnstore_after": (Kind.COLUMNSTORE, Kind.COLUMNSTORE_SETTINGS),
    "columnstore_schedule_interval": (Kind.COLUMNSTORE,),
    "segmentby": (Kind.COLUMNSTORE_SETTINGS,),
    "orderby": (Kind.COLUMNSTORE_SETTINGS,),
    "enabled": (Kind.CHUNKS, Kind.COLUMNSTORE_SETTINGS, Kind.COLUMNSTORE, Kind.RETENTION),
}
_VIEW_KINDS = {
    "start_offset": (Kind.REFRESH,),
    "end_offset": (Kind.REFRESH,),
    "schedule_interval": (Kind.REFRESH,),
    "drop_after": (Kind.RETENTION,),
    "materialized_only": (Kind.MATERIALIZED_ONLY,),
}

logger = logging.getLogger(__name__)


def update_policy(
    kind: type[Policy],
    policy_id: int,
    *,
    changes: Mapping[str, Any],
    user_id: int,
    consent: str = "",
    now: datetime | None = None,
) -> Policy:
    """Writes `changes` and their audit line, and applies them after the commit. Raises ValidationError by field.

    A bound that is shortened waits its grace; where it drops something, `consent` is what the preview asked for, else
    LossRefused. A field whose value is the row's already is applied too, if the database has another.
    """
    now = now or timezone.now()
    with transaction.atomic():
        row: Policy = kind._default_manager.select_for_update().get(pk=policy_id)
        changed = _assign(row, changes)
        touched = _kinds(row, changes)
        if not changed:
            if touched:
                transaction.on_commit(lambda: _apply_or_leave(row, touched))
            return row
        _check(row)
        preview = preview_change(row, changes, now=now) if touched & {Kind.RETENTION} else None
        if preview is not None and not preview.allowed_by(consent):
            raise LossRefused(preview, asked=bool(consent))
        _save(row, changed, user_id=user_id)
        if Kind.RETENTION in touched:
            before = bound_of(_with_old(row, changed))
            note_bound(row.wanted().name, before=before, after=bound_of(row.wanted()), now=now)
        transaction.on_commit(lambda: _apply_or_leave(row, touched))
    return row


def adopt_drift(
    kind: type[Policy], policy_id: int, *, aspect: Kind, seen_mark: str, user_id: int, now: datetime
) -> Policy:
    """Makes the row say what the database has. Raises ValidationError where no row can, may, or it changed meanwhile.

    The database does it already: nothing is previewed, and no grace begins.
    """
    with transaction.atomic():
        row: Policy = kind._default_manager.select_for_update().get(pk=policy_id)
        found = {one.kind: one for one in read_survey(catalog.read_catalog(connection)).get(row.wanted().name, ())}
        one = found.get(aspect)
        if one is None or one.actual_mark != seen_mark:
            raise ValidationError(
                gettext("The {aspect} has changed since this page was shown. Look again.").format(aspect=aspect)
            )
        if one.adopt is None:
            raise ValidationError(
                gettext("The {aspect} can't be adopted: {why_not_adopt}.").format(
                    aspect=aspect, why_not_adopt=one.why_not_adopt
                )
            )
        changed = _assign(row, one.adopt)
        try:
            _check(row)
        except ValidationError as error:
            raise ValidationError(
                gettext("Not adopted, the console's own rules refuse it. {messages}").format(
                    messages=" ".join(error.messages)
                )
            ) from error
        _save(row, changed, user_id=user_id)
        if aspect is Kind.RETENTION:
            note_bound(row.wanted().name, before=bound_of(row.wanted()), after=bound_of(row.wanted()), now=now)
        transaction.on_commit(lambda: _apply_or_leave(row, frozenset()))  # remembers it as applied
    return row


def reapply_policy(kind: type[Policy], policy_id: int, *, aspect: Kind, user_id: int) -> bool:
    """Makes one thing in the database what the row says; False where it could not be. Raises TimescaleError."""
    row: Policy = kind._default_manager.get(pk=policy_id)
    name = row.wanted().name
    found = {one.kind: one for one in read_survey(catalog.read_catalog(connection)).get(name, ())}
    before = found[aspect].actual if aspect in found else "unknown"
    apply = apply_policy if isinstance(row, HypertablePolicy) else apply_aggregate_policy
    done = [one for one in apply(row.pk, kinds=[aspect]) if one.kind is aspect]
    if done:
        said = {f"re-applied {aspect}": (before, done[0].wanted)}
        audit.record(user_id=user_id, row=row, flag=audit.CHANGED, changes=said)
    return bool(done)


def undo_shortening(kind: type[Policy], policy_id: int, *, user_id: int, now: datetime) -> Policy:
    """Goes back to the bound that still acts. Raises ValidationError where no grace runs any more."""
    row: Policy = kind._default_manager.get(pk=policy_id)
    grace = read_graces(now=now).get(row.wanted().name)
    if grace is None:
        raise ValidationError(
            gettext("The grace is over: what the bound drops is dropped. A longer one keeps what comes.")
        )
    changes: dict[str, Any]
    if grace.previous is None:
        changes = {"enabled": False} if isinstance(row, HypertablePolicy) else {"drop_after": None}
    else:
        changes = {"drop_after": grace.previous}
    return update_policy(kind, policy_id, changes=changes, user_id=user_id, now=now)


def read_column_errors(wanted: WantedTable) -> dict[str, str]:
    """What segmentby and orderby name that the table doesn't have, by field; empty where the table can't be read."""
    columns = catalog.read_columns(connection, wanted.table)
    return column_errors(wanted, columns=columns) if columns else {}


def _assign(row: PolicyRow, changes: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    changed = {name: (getattr(row, name), new) for name, new in changes.items() if getattr(row, name) != new}
    for name, (_, new) in changed.items():
        setattr(row, name, new)
    return changed


def _check(row: PolicyRow) -> None:
    row.full_clean()
    if isinstance(row, HypertablePolicy) and (errors := read_column_errors(row.wanted())):
        raise ValidationError(dict(errors))


def _save(row: PolicyRow, changed: Mapping[str, tuple[Any, Any]], *, user_id: int) -> None:
    if changed:
        row.save(update_fields=list(changed))
        audit.record(user_id=user_id, row=row, flag=audit.CHANGED, changes=changed)


def _with_old(row: Policy, changed: Mapping[str, tuple[Any, Any]]) -> Any:
    old = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return type(row)(**{**old, **{name: before for name, (before, _) in changed.items()}}).wanted()


def _kinds(row: PolicyRow, fields: Collection[str]) -> frozenset[Kind]:
    by_field = _TABLE_KINDS if isinstance(row, HypertablePolicy) else _VIEW_KINDS
    return frozenset(kind for field in fields for kind in by_field.get(field, ()))


def _apply_or_leave(row: PolicyRow, kinds: frozenset[Kind]) -> None:
    """The row is saved whatever happens here; reconciling makes up for it within a minute."""
    try:
        if isinstance(row, HypertablePolicy):
            apply_policy(row.pk, kinds=kinds)
        else:
            apply_aggregate_policy(row.pk, kinds=kinds)
    except TimescaleError as error:
        logger.warning("not applied yet: %s", error)

"""Keeps the graces of shortened bounds: starts them, ends them, and says which bound acts now."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings

from timescale.engine.drift import Kind
from timescale.engine.grace import Grace, plan_grace
from timescale.models import AppliedSetting, RetentionGrace


def grace_length() -> timedelta:
    length: timedelta = settings.RETENTION_GRACE
    return length


def read_graces(*, now: datetime) -> dict[str, Grace]:
    """Those that run, by table or view."""
    return {row.relation: _value(row) for row in RetentionGrace.objects.filter(until__gt=now)}


def note_bound(relation: str, *, before: timedelta | None, after: timedelta | None, now: datetime) -> Grace | None:
    """Starts the grace of a bound that goes from `before` to `after`, or ends the one that runs. None: everything."""
    row = RetentionGrace.objects.filter(relation=relation).first()
    running = _value(row) if row is not None and row.until > now else None
    if running is not None and after == running.drop_after:
        return running
    grace = plan_grace(relation, now=now, length=grace_length(), before=before, after=after, running=running)
    if grace is None:
        RetentionGrace.objects.filter(relation=relation).delete()
        return None
    RetentionGrace.objects.update_or_create(
        relation=relation,
        defaults={
            "previous_drop_after": grace.previous,
            "drop_after": grace.drop_after,
            "started_at": now,
            "until": grace.until,
        },
    )
    return grace


def note_applied_bounds(bounds: Collection[tuple[str, timedelta]], *, now: datetime) -> None:
    """For tables without jobs: a bound that was shortened past every form, as by a bulk update, waits its grace too."""
    known = {
        row.relation: row
        for row in AppliedSetting.objects.filter(kind=Kind.RETENTION, relation__in=[b[0] for b in bounds])
    }
    for relation, drop_after in bounds:
        row = known.get(relation)
        if row is not None and row.drop_after == drop_after:
            continue
        if row is not None:
            note_bound(relation, before=row.drop_after, after=drop_after, now=now)
        AppliedSetting.objects.update_or_create(
            relation=relation,
            kind=Kind.RETENTION,
            defaults={"mark": repr(drop_after.total_seconds()), "drop_after": drop_after, "applied_at": now},
        )


def _value(row: RetentionGrace) -> Grace:
    return Grace(row.relation, row.previous_drop_after, row.drop_after, row.until)

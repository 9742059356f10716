"""Refreshes what came too late for an aggregate's policy, before the retention of its source takes it.

A policy looks start_offset back and no further. Rows of earlier hours, as a backfill brings them or a job that stood
still left them, are noted by the server and read by nothing, until they are dropped unread.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.db import connection, transaction

from timescale.engine.edition import Edition
from timescale.engine.policies import WantedView
from timescale.engine.refreshing import Late, Missed, late_window
from timescale.models import AggregatePolicy, HypertablePolicy
from timescale.store import actions, aggregates, catalog
from timescale.store.errors import ServerAway, TimescaleError
from timescale.store.sizes import plan_for_reading
from tradeul_ops.locks import one_at_a_time

MISSED_BUDGET = timedelta(seconds=20)  # of one tick of 60 s; what is begun is ended
CHUNKS_LOOKED_AT = 200  # the oldest; the next look takes the next
REFRESH_LIMIT = timedelta(minutes=5)  # of what one chunk holds

logger = logging.getLogger(__name__)


def plan_missed(seen: catalog.Catalog, *, now: datetime, limit: int = CHUNKS_LOOKED_AT) -> Late:
    """What lies before the reach of the policies and changed since it was read: a chunk of the source each.

    Nothing on editions whose aggregates are plain views: those hold nothing. Raises TimescaleError.
    """
    if seen.edition is not Edition.COMMUNITY:
        return Late()
    views = {
        row.view_name: row.wanted()
        for row in AggregatePolicy.objects.all()
        if row.view_name in seen.views and seen.views[row.view_name].continuous
    }
    if not views:
        return Late()
    before = {view: now - wanted.start_offset for view, wanted in views.items()}
    columns = dict(HypertablePolicy.objects.values_list("table_name", "time_column"))
    asked = []
    for view, low, high in aggregates.read_invalid(connection, before, limit=limit):
        wanted = views[view]
        source = seen.views.get(wanted.source)
        window = late_window(low, high, width=wanted.bucket_width, before=before[view])
        if window is None or (source is None and wanted.source not in columns):
            continue
        relation = source.materialization if source else f'"{wanted.source}"'
        column = "bucket" if source else columns[wanted.source]
        asked.append((view, seen.views[view].materialization, relation, column, wanted.bucket_width, window))
    found = [one for one in aggregates.read_missed(connection, asked) if one.rows]
    safe = [one.safe(kept_since=_kept_since(views[one.view], now=now)) for one in found]
    return Late(
        readable=tuple(one for one, can in zip(found, safe, strict=True) if can),
        held_back=tuple(one for one, can in zip(found, safe, strict=True) if not can),
    )


def refresh_missed(*, now: datetime, budget: timedelta = MISSED_BUDGET) -> tuple[Missed, ...]:
    """Refreshes it, oldest first, until `budget` is spent; the rest at the next tick. Raises ServerAway."""
    done: list[Missed] = []
    with one_at_a_time("timescale.refresh_missed") as mine:
        if not mine:
            return ()
        until = time.monotonic() + budget.total_seconds()
        with transaction.atomic():
            plan_for_reading(connection)
            planned = plan_missed(catalog.read_catalog(connection), now=now).readable
        for one in planned:
            if time.monotonic() > until:
                break
            window = one.window
            try:
                actions.refresh(connection, one.view, start=window.start, end=window.end, limit=REFRESH_LIMIT)
            except ServerAway:
                raise
            except TimescaleError as error:
                logger.warning("what came late for %s", error)
                continue
            logger.info("%s: read what came late, %s to %s", one.view, window.start, window.end)
            done.append(one)
    return tuple(done)


def kept_by(source: str) -> timedelta | None:
    """How long a table or an aggregate keeps what it has; None: for good."""
    table = HypertablePolicy.objects.filter(table_name=source, enabled=True).first()
    if table is not None:
        return table.drop_after
    view = AggregatePolicy.objects.filter(view_name=source).first()
    return view.drop_after if view is not None else None


def _kept_since(wanted: WantedView, *, now: datetime) -> datetime | None:
    kept = kept_by(wanted.source)
    return None if kept is None else now - kept

"""Refreshes what came too late for an aggregate's policy, before the retention of its source takes it.

A policy looks start_offset back and no further. Rows of earlier hours, as a backfill brings them or a job that stood
still left them, are noted by the server and read by nothing, until they are dropped unread.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.db import connection

from timescale.engine.edition import Edition
from timescale.engine.refreshing import Late, Missed, late_window
from timescale.services.comparison import Wishes, read_wishes
from timescale.store import actions, aggregates, catalog
from timescale.store.errors import ServerAway, TimescaleError
from tradeul_ops.locks import one_at_a_time

MISSED_BUDGET = timedelta(seconds=20)  # of one tick of 60 s; what is begun is ended
CHUNKS_LOOKED_AT = 200  # the oldest; the next look takes the next
REFRESH_LIMIT = timedelta(minutes=5)  # of what one chunk holds

logger = logging.getLogger(__name__)


def plan_missed(
    seen: catalog.Catalog, *, now: datetime, wishes: Wishes | None = None, limit: int = CHUNKS_LOOKED_AT
) -> Late:
    """What lies before the reach of the policies and changed since it was read: a chunk of the source each.

    `wishes`: of who has read them. Nothing on editions whose aggregates are plain views: those hold nothing. Raises
    TimescaleError.
    """
    if seen.edition is not Edition.COMMUNITY:
        return Late()
    wishes = wishes or read_wishes()
    continuous = {name for name, view in seen.views.items() if view.continuous}
    views = {wanted.view: wanted for wanted in wishes[1] if wanted.view in continuous}
    if not views:
        return Late()
    before = {view: now - wanted.start_offset for view, wanted in views.items()}
    columns = {table.table: table.time_column for table in wishes[0]}
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
    kept = _kept(wishes)
    bounds = [kept.get(views[one.view].source) for one in found]
    safe = [one.safe(kept_since=now - bound if bound else None) for one, bound in zip(found, bounds, strict=True)]
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
    return _kept(read_wishes()).get(source)


def _kept(wishes: Wishes) -> dict[str, timedelta | None]:
    tables, views = wishes
    return {view.view: view.drop_after for view in views} | {
        table.table: table.drop_after for table in tables if table.enabled
    }

"""Drops what no job of TimescaleDB drops: Apache edition, plain tables. Records each run."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import connection, transaction

from timescale.engine.grace import Grace
from timescale.engine.policies import BATCHED_DELETE, JOB, WantedTable, enforced_by, table_problems
from timescale.models import HypertablePolicy, RetentionRun
from timescale.services.grace import note_applied_bounds, read_graces
from timescale.store import catalog, commands
from timescale.store.errors import ServerAway, TimescaleError
from tradeul_ops.locks import one_at_a_time
from tradeul_ops.runs import Outcome

RETENTION_BUDGET = timedelta(seconds=10)  # of one tick of 30 s, shared out among the tables

Step = tuple[int, int]  # rows, chunks

logger = logging.getLogger(__name__)


def enforce_retention(*, now: datetime, budget: timedelta = RETENTION_BUDGET) -> tuple[RetentionRun, ...]:
    """Drops what lies past its bound wherever TimescaleDB's jobs don't: Apache edition, plain tables.

    Chunk by chunk, or by batches of 10,000 rows, until `budget` is spent; the rest goes at the next tick. A run is
    recorded where rows went, where it failed, and once after a failure. Raises ServerAway.
    """
    with one_at_a_time("timescale.enforce_retention") as mine:
        if not mine:
            return ()
        seen = catalog.read_catalog(connection)
        rows = HypertablePolicy.objects.filter(enabled=True)
        ours = [
            (row.wanted(), by)
            for row in rows
            if (by := enforced_by(seen.edition, is_hypertable=row.table_name in seen.hypertables)) != JOB
        ]
        note_applied_bounds([(wanted.table, wanted.drop_after) for wanted, _ in ours], now=now)
        graces = read_graces(now=now)
        due = [(acting, by) for wanted, by in ours if (acting := _acting(wanted, graces.get(wanted.table))) is not None]
        until = time.monotonic() + budget.total_seconds()
        runs = []
        for place, (wanted, by) in enumerate(due):
            # An equal share of what is left, so that one table's backlog doesn't starve the others.
            share = (until - time.monotonic()) / (len(due) - place)
            runs.append(_enforce(wanted, by=by, seconds=share, now=now))
        return tuple(run for run in runs if run is not None)


def _acting(wanted: WantedTable, grace: Grace | None) -> WantedTable | None:
    """The wish with the bound that acts now: while a grace runs the one before it, which may have been none."""
    if grace is None:
        return wanted
    return None if grace.previous is None else replace(wanted, drop_after=grace.previous)


def _enforce(wanted: WantedTable, *, by: str, seconds: float, now: datetime) -> RetentionRun | None:
    began = time.monotonic()
    rows = chunks = 0
    outcome, detail = Outcome.DONE, ""
    try:
        problems = table_problems(wanted)
        if problems:
            outcome, detail = Outcome.FAILED, f"{wanted.table}: {' '.join(problems)}"
        else:
            for more_rows, more_chunks in drop_steps(wanted, by=by, now=now):
                rows, chunks = rows + more_rows, chunks + more_chunks
                if time.monotonic() - began > seconds:
                    outcome, detail = Outcome.PARTIAL, "The time of this tick was spent; the next one goes on. "
                    break
    except ServerAway:
        raise
    except TimescaleError as error:
        outcome, detail = Outcome.FAILED, str(error)
        logger.warning("retention of %s", error)
    if outcome is not Outcome.FAILED:
        detail += f"Dropped {rows:,} rows" + (f" in {chunks} chunks." if chunks else ".")
        if not rows and not chunks:
            before = RetentionRun.objects.filter(table_name=wanted.table).first()
            if before is None or before.outcome != Outcome.FAILED:
                return None
            outcome, detail = Outcome.NOTHING, "Works again; nothing was past its bound."
    finished_at = now + timedelta(seconds=time.monotonic() - began)
    if outcome is Outcome.FAILED and not rows and not chunks and (same := _same_failure(wanted.table, detail)):
        same.finished_at = finished_at
        same.save(update_fields=["finished_at"])
        return same
    return RetentionRun.objects.create(
        started_at=now,
        finished_at=finished_at,
        outcome=outcome,
        detail=detail,
        table_name=wanted.table,
        rows_dropped=rows,
        chunks_dropped=chunks,
        enforced_by=by,
    )


def _same_failure(table: str, detail: str) -> RetentionRun | None:
    """A failure that lasts prolongs its row: a new one every 30 s would wash out what the other tables did."""
    latest = RetentionRun.objects.filter(table_name=table).first()
    return latest if latest and latest.outcome == Outcome.FAILED and latest.detail == detail else None


def drop_steps(wanted: WantedTable, *, by: str, now: datetime) -> Iterator[Step]:
    """Drops what lies before the wish's cutoff piece by piece, and says after each what went."""
    return _batches(wanted, now=now) if by == BATCHED_DELETE else _chunks(wanted, now=now)


def _batches(wanted: WantedTable, *, now: datetime) -> Iterator[Step]:
    """Each batch is a transaction of its own: what went stays gone, and no lock is held for long."""
    gone = commands.BATCH
    while gone == commands.BATCH:
        gone = commands.delete_batch(
            connection,
            wanted.table,
            time_column=wanted.time_column,
            before=wanted.cutoff(now=now),
            limit=commands.BATCH,
        )
        yield gone, 0


def _chunks(wanted: WantedTable, *, now: datetime) -> Iterator[Step]:
    for end in catalog.read_chunk_ends(connection, wanted.table, cutoff=wanted.cutoff(now=now)):
        with transaction.atomic():
            commands.wait_little_for_locks(connection)
            dropped = commands.drop_chunks(connection, wanted.table, time_column=wanted.time_column, before=end)
        yield dropped

"""Orders what bounds the tables: compares rows with the server and mends it, drops what no job drops, records both."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import connection, transaction

from timescale.engine import drift
from timescale.engine.drift import Difference
from timescale.engine.edition import Edition
from timescale.engine.policies import (
    BATCHED_DELETE,
    JOB,
    WantedTable,
    WantedView,
    enforced_by,
    reach_problems,
    table_problems,
    view_problems,
)
from timescale.models import AggregatePolicy, HypertablePolicy, RetentionRun
from timescale.store import catalog, commands
from timescale.store.errors import ServerAway, TimescaleError
from tradeul_ops import audit
from tradeul_ops.locks import one_at_a_time
from tradeul_ops.runs import Outcome

RETENTION_BUDGET = timedelta(seconds=10)  # of one tick of 30 s, shared out among the tables
RUNS_KEPT = 5_000

Policy = TypeVar("Policy", HypertablePolicy, AggregatePolicy)
Step = tuple[int, int]  # rows, chunks

logger = logging.getLogger(__name__)


# --- what no job drops -----------------------------------------------------------------------------------------------
def enforce_retention(*, now: datetime, budget: timedelta = RETENTION_BUDGET) -> tuple[RetentionRun, ...]:
    """Drops what lies past its bound wherever TimescaleDB's jobs don't: Apache edition, plain tables.

    Chunk by chunk, or by batches of 10,000 rows, until `budget` is spent; the rest goes at the next tick. A run is
    recorded where rows went, where it failed, and once after a failure. Raises ServerAway.
    """
    with one_at_a_time("timescale.enforce_retention") as mine:
        if not mine:
            return ()
        seen = catalog.read_catalog(connection)
        due = [
            (row.wanted(), by)
            for row in HypertablePolicy.objects.filter(enabled=True)
            if (by := enforced_by(seen.edition, is_hypertable=row.table_name in seen.hypertables)) != JOB
        ]
        until = time.monotonic() + budget.total_seconds()
        runs = []
        for place, (wanted, by) in enumerate(due):
            # An equal share of what is left, so that one table's backlog doesn't starve the others.
            share = (until - time.monotonic()) / (len(due) - place)
            runs.append(_enforce(wanted, by=by, seconds=share, now=now))
        return tuple(run for run in runs if run is not None)


def _enforce(wanted: WantedTable, *, by: str, seconds: float, now: datetime) -> RetentionRun | None:
    began = time.monotonic()
    rows = chunks = 0
    outcome, detail = Outcome.DONE, ""
    try:
        problems = table_problems(wanted)
        if problems:
            outcome, detail = Outcome.FAILED, f"{wanted.table}: {' '.join(problems)}"
        else:
            steps = _batches if by == BATCHED_DELETE else _chunks
            for more_rows, more_chunks in steps(wanted, now=now):
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


# --- what the jobs of the Community edition should be ----------------------------------------------------------------
def reconcile_policies() -> tuple[Difference, ...]:
    """Makes the server's jobs and settings what the rows say; answers what it changed. Nothing on other editions.

    Raises ServerAway.
    """
    return _reconcile(lambda name: True)


def apply_policy(policy_id: int) -> tuple[Difference, ...]:
    """The same for one hypertable policy. A retention job that is new or changed drops within seconds."""
    table = HypertablePolicy.objects.get(pk=policy_id).table_name
    return _reconcile(lambda name: name == table)


def apply_aggregate_policy(policy_id: int) -> tuple[Difference, ...]:
    view = AggregatePolicy.objects.get(pk=policy_id).view_name
    return _reconcile(lambda name: name == view)


def read_differences(seen: catalog.Catalog) -> dict[str, tuple[Difference, ...]]:
    """What the rows want and the server doesn't have, by table or view; empty on editions without jobs."""
    if seen.edition is not Edition.COMMUNITY:
        return {}
    tables, views = _wishes()
    found = {t.table: drift.compare_table(t, seen.hypertables.get(t.table), jobs=seen.jobs) for t in tables}
    return found | {v.view: drift.compare_view(v, seen.views.get(v.view), jobs=seen.jobs) for v in views}


def read_problems() -> dict[str, tuple[str, ...]]:
    """Why a wish is not carried out, by table or view. Forms refuse these; bulk edits and raw SQL can't be asked."""
    tables, views = _wishes()
    found = {t.table: table_problems(t) + reach_problems(t.table, tables=tables, views=views) for t in tables}
    return found | {v.view: view_problems(v) + reach_problems(v.view, tables=tables, views=views) for v in views}


def _wishes() -> tuple[list[WantedTable], list[WantedView]]:
    tables = [row.wanted() for row in HypertablePolicy.objects.all()]
    return tables, [row.wanted() for row in AggregatePolicy.objects.all()]


def _reconcile(asked: Callable[[str], bool]) -> tuple[Difference, ...]:
    with one_at_a_time("timescale.policies") as mine:
        if not mine:
            return ()
        differences = read_differences(catalog.read_catalog(connection))
        problems = read_problems()
        tables, views = _wishes()
        changed: list[Difference] = []
        wishes: list[WantedTable | WantedView] = [*tables, *views]
        for wanted in wishes:
            name = wanted.name
            to_mend = [d for d in differences.get(name, ()) if d.kind not in drift.NOT_MENDED]
            if not to_mend or not asked(name):
                continue
            if problems[name]:
                logger.error("%s: its policy is not applied. %s", name, " ".join(problems[name]))
                continue
            changed += _mend(wanted, to_mend)
        return tuple(changed)


def _mend(wanted: WantedTable | WantedView, differences: Iterable[Difference]) -> list[Difference]:
    """Each by itself: a column that segmentby misspells must not keep the retention from being mended."""
    done = []
    for difference in differences:
        try:
            with transaction.atomic():
                commands.wait_little_for_locks(connection)
                commands.mend(connection, wanted, difference.kind)
        except ServerAway:
            raise
        except TimescaleError as error:
            logger.warning("policy of %s", error)
            continue
        logger.info("mended %s", difference)
        done.append(difference)
    return done


# --- what an operator changes ----------------------------------------------------------------------------------------
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


def prune_history() -> int:
    """Keeps the newest RUNS_KEPT runs; answers how many went."""
    return RetentionRun.objects.prune(keep=RUNS_KEPT)

"""What the pages and /metrics say about tables and aggregates, as values. Changes nothing; reads each table once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db import connection, transaction
from django.db.models import Sum

from timescale import services
from timescale.engine.condition import judge, slack
from timescale.engine.drift import Job, Kind
from timescale.engine.durations import spell
from timescale.engine.edition import Edition
from timescale.engine.policies import JOB, enforced_by
from timescale.models import AggregatePolicy, HypertablePolicy, RetentionRun
from timescale.store import catalog
from timescale.store.catalog import Catalog, TableFacts
from timescale.store.errors import ServerAway, TimescaleError
from tradeul_ops.runs import Outcome


@dataclass(frozen=True)
class HypertableRow:
    policy_id: int
    table: str
    is_hypertable: bool
    bytes: int | None
    rows_estimate: int | None
    oldest_at: datetime | None
    drop_after: timedelta
    chunk_time_interval: timedelta | None
    chunks: int | None
    compressed_chunks: int | None
    saved_ratio: float | None  # of the compressed chunks
    enforced_by: str
    columnstore: str
    last_run: datetime | None
    last_run_detail: str
    last_failed: bool
    condition: str
    why: str


@dataclass(frozen=True)
class AggregateRow:
    view: str
    kind: Literal["continuous aggregate", "plain view", "missing"]
    refresh: str
    drop_after: timedelta | None


@dataclass(frozen=True)
class HypertablesSummary:
    edition: str
    edition_version: str | None
    edition_means: str
    server_version: str
    rows: tuple[HypertableRow, ...]
    aggregates: tuple[AggregateRow, ...]
    database_bytes: int
    dropped_rows: int  # by beat, in the runs that are kept; TimescaleDB's jobs don't count theirs
    read_at: datetime


def hypertables_summary(*, now: datetime) -> HypertablesSummary:
    """Raises TimescaleError where the catalogue can't be read; a table that can't be read is a row that says so."""
    seen = catalog.read_catalog(connection)
    problems, differences = services.read_problems(), services.read_differences(seen)
    runs = {run.table_name: run for run in RetentionRun.objects.order_by("table_name", "-id").distinct("table_name")}
    rows = []
    for policy in HypertablePolicy.objects.all():
        name = policy.table_name
        remarks = (*problems[name], *(f"{difference}." for difference in differences.get(name, ())))
        rows.append(_table_row(policy, seen, run=runs.get(name), remarks=remarks, now=now))
    return HypertablesSummary(
        edition=seen.edition,
        edition_version=seen.detection.installed,
        edition_means=seen.detection.means,
        server_version=seen.server_version,
        rows=tuple(rows),
        aggregates=tuple(_aggregate_row(policy, seen) for policy in AggregatePolicy.objects.all()),
        database_bytes=seen.database_bytes,
        dropped_rows=RetentionRun.objects.aggregate(rows=Sum("rows_dropped"))["rows"] or 0,
        read_at=now,
    )


def guide_metrics(*, now: datetime) -> dict[str, object]:
    """The `timescaledb` block of /api/v1/internal/memory-metrics: the guide's two words, true ones, and figures."""
    summary = hypertables_summary(now=now)
    return {
        "retention_policies": _retention_word(summary.rows),
        "compression": _compression_word(summary),
        "edition": summary.edition,
        "version": summary.edition_version,
        "database_bytes": summary.database_bytes,
        "rows_dropped": summary.dropped_rows,
        "tables": [
            {
                "table": row.table,
                "hypertable": row.is_hypertable,
                "bytes": row.bytes,
                "rows_estimate": row.rows_estimate,
                "oldest_at": row.oldest_at.isoformat() if row.oldest_at else None,
                "drop_after_seconds": int(row.drop_after.total_seconds()),
                "enforced_by": row.enforced_by,
                "chunks": row.chunks,
                "compressed_chunks": row.compressed_chunks,
                "saved_percent": None if row.saved_ratio is None else round(100 * row.saved_ratio, 1),
                "condition": row.condition,
            }
            for row in summary.rows
        ],
    }


def _table_row(
    policy: HypertablePolicy, seen: Catalog, *, run: RetentionRun | None, remarks: Sequence[str], now: datetime
) -> HypertableRow:
    wanted, hypertable = policy.wanted(), seen.hypertables.get(policy.table_name)
    by = enforced_by(seen.edition, is_hypertable=hypertable is not None)
    facts, unreadable = TableFacts(None, None, None, None), None
    try:
        with transaction.atomic():  # so that one table's error leaves the others readable
            facts = catalog.read_table(
                connection, wanted.table, time_column=wanted.time_column, is_hypertable=hypertable is not None
            )
    except ServerAway:
        raise
    except TimescaleError as error:
        unreadable = str(error)
    last_run, detail, failure = _last_run(by, run=run, jobs=seen.jobs_of(wanted.table))
    condition = judge(
        wanted,
        now=now,
        oldest_at=facts.oldest_at,
        unreadable=unreadable,
        allowed=slack(wanted, edition=seen.edition, is_hypertable=hypertable is not None),
        failure=failure,
        remarks=remarks,
    )
    if seen.edition is not Edition.COMMUNITY:
        columnstore = "not on this edition"
    else:
        columnstore = f"after {spell(wanted.columnstore.after)}" if wanted.columnstore else "never"
    return HypertableRow(
        policy_id=policy.pk,
        table=wanted.table,
        is_hypertable=hypertable is not None,
        bytes=facts.bytes,
        rows_estimate=facts.rows_estimate,
        oldest_at=facts.oldest_at,
        drop_after=wanted.drop_after,
        chunk_time_interval=hypertable.chunk_time_interval if hypertable else None,
        chunks=hypertable.chunks if hypertable else None,
        compressed_chunks=hypertable.compressed_chunks if hypertable else None,
        saved_ratio=facts.saved_ratio,
        enforced_by=by,
        columnstore=columnstore,
        last_run=last_run,
        last_run_detail=detail,
        last_failed=failure is not None,
        condition=condition.word,
        why=condition.why,
    )


def _last_run(by: str, *, run: RetentionRun | None, jobs: Sequence[Job]) -> tuple[datetime | None, str, str | None]:
    """When, the sentence, and the failure if it was one. Beat leaves no run behind while nothing is too old."""
    if by != JOB:
        if run is None:
            return None, "nothing was too old yet", None
        return run.finished_at, run.detail, run.detail if run.outcome == Outcome.FAILED else None
    # A columnstore job that fails is as much a failure of this table; the retention's run is the one told.
    failed = next((job for job in jobs if job.last_status == "Failed"), None)
    if failed is not None:
        failure = f"{failed.kind} job {failed.job_id}: {failed.last_error or 'the server kept no message'}"
        return failed.last_run, failure, failure
    retention = next((job for job in jobs if job.kind is Kind.RETENTION), None)
    if retention is None:
        return None, "no job", None
    if retention.last_run is None:
        return None, f"job {retention.job_id} has not run yet", None
    return retention.last_run, f"job {retention.job_id}: {retention.last_status or 'running'}", None


def _aggregate_row(policy: AggregatePolicy, seen: Catalog) -> AggregateRow:
    view = seen.views.get(policy.view_name)
    if view is None:
        return AggregateRow(policy.view_name, "missing", "its migration has not run", policy.drop_after)
    if not view.continuous:
        return AggregateRow(policy.view_name, "plain view", "computed at each query", None)
    says = [job.says for job in seen.jobs_of(policy.view_name) if job.kind is Kind.REFRESH]
    return AggregateRow(policy.view_name, "continuous aggregate", " and ".join(says) or "no job", policy.drop_after)


def _retention_word(rows: Sequence[HypertableRow]) -> str:
    words = {row.condition for row in rows}
    for word, said in (("over", "behind"), ("unknown", "unknown"), ("attention", "attention")):
        if word in words:
            return said
    return "active" if rows else "none"


def _compression_word(summary: HypertablesSummary) -> str:
    if summary.edition != Edition.COMMUNITY:
        return "not on this edition"
    return "enabled" if any(row.columnstore.startswith("after") for row in summary.rows) else "off"

"""The tables and aggregates as rows of a page, each with its word, and the database they are in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from django.db.models import Sum

from timescale import services
from timescale.engine.condition import judge, slack
from timescale.engine.doctor import Diagnosis, behind, diagnose, trouble_of
from timescale.engine.drift import Difference, Job, Kind, differing
from timescale.engine.durations import spell
from timescale.engine.edition import Edition
from timescale.engine.grace import Grace
from timescale.engine.policies import JOB, LONGEST, WantedTable, enforced_by
from timescale.engine.refreshing import Window
from timescale.metrics.readings import Readings, applied_at, read_everything
from timescale.models import AggregatePolicy, HypertablePolicy, RetentionRun, TableAction
from timescale.store.sizes import Sizes
from tradeul_ops.runs import Outcome


@dataclass(frozen=True)
class HypertableRow:
    policy_id: int
    table: str
    is_hypertable: bool
    enabled: bool
    bytes: int | None
    sizes: Sizes
    rows_estimate: int | None
    oldest_at: datetime | None
    drop_after: timedelta
    chunk_time_interval: timedelta | None
    chunks: int | None
    compressed_chunks: int | None
    saved_ratio: float | None  # of the compressed chunks
    growth_per_day: float | None  # bytes
    enforced_by: str
    columnstore: str
    last_run: datetime | None
    last_run_detail: str
    last_failed: bool
    condition: str
    why: str
    differences: tuple[Difference, ...]
    diagnoses: tuple[Diagnosis, ...]
    to_compress: int | None  # chunks that should be compressed by now; None: not on this edition
    grace: Grace | None
    action: TableAction | None  # that is under way


@dataclass(frozen=True)
class AggregateRow:
    policy_id: int
    view: str
    source: str
    kind: Literal["continuous aggregate", "plain view", "missing"]
    refresh: str
    drop_after: timedelta | None
    sizes: Sizes
    growth_per_day: float | None
    refreshed_to: datetime | None
    behind: timedelta | None
    condition: str
    why: str
    differences: tuple[Difference, ...]
    diagnoses: tuple[Diagnosis, ...]
    grace: Grace | None
    action: TableAction | None
    held_back: tuple[Window, ...]  # what came late and stays unread: the source has no more than a part of those hours


@dataclass(frozen=True)
class HypertablesSummary:
    edition: str
    edition_version: str | None
    edition_means: str
    server_version: str
    rows: tuple[HypertableRow, ...]
    aggregates: tuple[AggregateRow, ...]
    unmanaged: tuple[str, ...]  # hypertables that no policy is about
    database_bytes: int
    database_growth_per_day: float | None
    workers: int | None
    dropped_rows: int  # by beat, in the runs that are kept; TimescaleDB's jobs don't count theirs
    read_at: datetime
    jobs_trouble: str = ""  # with every job of the server


def hypertables_summary(*, now: datetime) -> HypertablesSummary:
    """Raises TimescaleError where the catalogue can't be read; a table that can't be read is a row that says so."""
    return summary_of(read_everything(now=now))


def summary_of(read: Readings) -> HypertablesSummary:
    seen = read.seen
    return HypertablesSummary(
        edition=seen.edition,
        edition_version=seen.detection.installed,
        edition_means=seen.detection.means,
        server_version=seen.server_version,
        rows=tuple(table_row(policy, read) for policy in read.tables),
        aggregates=tuple(aggregate_row(policy, read) for policy in read.views),
        unmanaged=tuple(sorted(seen.hypertables.keys() - {policy.table_name for policy in read.tables})),
        database_bytes=seen.database_bytes,
        database_growth_per_day=read.growth.get(services.DATABASE),
        workers=read.workers,
        jobs_trouble=trouble_of(seen.jobs, postgres=seen.server_version, extension=seen.detection.installed),
        dropped_rows=RetentionRun.objects.aggregate(rows=Sum("rows_dropped"))["rows"] or 0,
        read_at=read.read_at,
    )


def table_row(policy: HypertablePolicy, read: Readings) -> HypertableRow:
    wanted, seen, now = policy.wanted(), read.seen, read.read_at
    hypertable = seen.hypertables.get(wanted.table)
    by = enforced_by(seen.edition, is_hypertable=hypertable is not None)
    sizes, ages = read.sizes.get(wanted.table, Sizes()), read.ages.get(wanted.table)
    jobs = seen.jobs_of(wanted.table)
    last_run, detail, failure = _last_run(by, run=read.runs.get(wanted.table), jobs=jobs)
    diagnoses = _diagnoses(jobs, read)
    differences, grace = differing(read.aspects.get(wanted.table, ())), read.graces.get(wanted.table)
    to_compress = read.backlog.get(wanted.table, 0) if seen.edition is Edition.COMMUNITY else None
    remarks = [*read.problems[wanted.table], *(f"{difference.says}." for difference in differences)]
    # The first that failed is told as the failure.
    sick = [one for one in diagnoses if one.word != "within" and not one.job.failed]
    remarks += [f"Job {one.job.job_id}: {one.text}" for one in sick]
    if to_compress:
        one = to_compress == 1
        remarks.append(
            f"{to_compress} chunk{'' if one else 's'} should be compressed by now and {'is' if one else 'are'} not."
        )
    condition = judge(
        _acting(wanted, grace),
        now=now,
        oldest_at=ages.oldest_at if ages else None,
        unreadable=read.unreadable.get(wanted.table),
        allowed=slack(wanted, edition=seen.edition, is_hypertable=hypertable is not None),
        failure=failure,
        remarks=remarks,
    )
    if seen.edition is not Edition.COMMUNITY:
        columnstore = "not on this edition"
    else:
        columnstore = f"after {spell(wanted.columnstore.after)}" if wanted.columnstore else "never"
    # An empty table's rows are known: none.
    empty = ages is not None and ages.oldest_at is None
    return HypertableRow(
        policy_id=policy.pk,
        table=wanted.table,
        is_hypertable=hypertable is not None,
        enabled=wanted.enabled,
        bytes=sizes.bytes,
        sizes=sizes,
        rows_estimate=0 if empty else sizes.rows_estimate,
        oldest_at=ages.oldest_at if ages else None,
        drop_after=wanted.drop_after,
        chunk_time_interval=hypertable.chunk_time_interval if hypertable else None,
        chunks=hypertable.chunks if hypertable else None,
        compressed_chunks=hypertable.compressed_chunks if hypertable else None,
        saved_ratio=sizes.saved_ratio,
        growth_per_day=read.growth.get(wanted.table),
        enforced_by=by,
        columnstore=columnstore,
        last_run=last_run,
        last_run_detail=detail,
        last_failed=failure is not None,
        condition=condition.word,
        why=condition.why,
        differences=differences,
        diagnoses=diagnoses,
        to_compress=to_compress,
        grace=grace,
        action=read.open_actions.get(wanted.table),
    )


def _acting(wanted: WantedTable, grace: Grace | None) -> WantedTable:
    """Rows that only the bound to come would drop are not over one."""
    return replace(wanted, drop_after=grace.previous or LONGEST) if grace else wanted


def aggregate_row(policy: AggregatePolicy, read: Readings) -> AggregateRow:
    wanted, seen = policy.wanted(), read.seen
    view, name = seen.views.get(policy.view_name), policy.view_name
    jobs = seen.jobs_of(name)
    diagnoses, differences = _diagnoses(jobs, read), differing(read.aspects.get(name, ()))
    kind: Literal["continuous aggregate", "plain view", "missing"]
    mark, late = read.watermarks.get(name), None
    remarks = [*read.problems[name], *(f"{difference.says}." for difference in differences)]
    if view is None:
        kind, refresh = "missing", "its migration has not run"
        remarks.append(f"{name} is missing: its migration has not run.")
    elif not view.continuous:
        kind, refresh = "plain view", "computed at each query"
    else:
        kind = "continuous aggregate"
        refresh = " and ".join(job.says for job in jobs if job.kind is Kind.REFRESH) or "no job"
        late = behind(wanted, unread=read.unread.get(name), now=read.read_at)
    remarks += [f"Job {one.job.job_id}: {one.text}" for one in diagnoses if one.word != "within"]
    if late is not None:
        remarks.append(f"{spell(late)} behind of what {wanted.source} has.")
    if missed := [one.window for one in read.late.readable if one.view == name]:
        remarks.append(
            f"It has not read what came late, from {missed[0].start:%Y-%m-%d %H:%M} UTC on, further back than "
            "its policy looks. Beat refreshes it within minutes; by hand: refresh that window."
        )
    held_back = tuple(one.window for one in read.late.held_back if one.view == name)
    return AggregateRow(
        policy_id=policy.pk,
        view=name,
        source=wanted.source,
        kind=kind,
        refresh=refresh,
        drop_after=policy.drop_after,
        sizes=read.sizes.get(name, Sizes()),
        growth_per_day=read.growth.get(name),
        refreshed_to=mark,
        behind=late,
        condition="attention" if remarks else "within",
        why=" ".join(remarks) or _all_is_well(kind, held_back),
        differences=differences,
        diagnoses=diagnoses,
        grace=read.graces.get(name),
        action=read.open_actions.get(name),
        held_back=held_back,
    )


def _all_is_well(kind: str, held_back: Sequence[Window]) -> str:
    if kind == "plain view":
        return "A plain view."
    if not held_back:
        return "It has what its source has."
    return (
        f"It has what its source has, but for rows that came late, from {held_back[0].start:%Y-%m-%d %H:%M} UTC on: "
        "its source has no more than a part of those hours, and the aggregate keeps what it read of the whole."
    )


def _diagnoses(jobs: Sequence[Job], read: Readings) -> tuple[Diagnosis, ...]:
    return tuple(
        diagnose(job, now=read.read_at, workers=read.workers, applied_at=applied_at(read, job.relation, job.kind))
        for job in jobs
    )


def _last_run(by: str, *, run: RetentionRun | None, jobs: Sequence[Job]) -> tuple[datetime | None, str, str | None]:
    """When, the sentence, and the failure if it was one. Beat leaves no run behind while nothing is too old."""
    if by != JOB:
        if run is None:
            return None, "nothing was too old yet", None
        return run.finished_at, run.detail, run.detail if run.outcome == Outcome.FAILED else None
    # A columnstore job that fails is as much a failure of this table; the retention's run is the one told.
    failed = next((job for job in jobs if job.failed), None)
    if failed is not None:
        failure = f"{failed.kind} job {failed.job_id}: {failed.last_error or 'the server kept no message'}"
        return failed.last_run, failure, failure
    retention = next((job for job in jobs if job.kind is Kind.RETENTION), None)
    if retention is None:
        return None, "no job", None
    if retention.last_run is None:
        return None, f"job {retention.job_id} has not run yet", None
    said = "did its work" if retention.failed_after_work else retention.last_status or "running"
    return retention.last_run, f"job {retention.job_id}: {said}", None

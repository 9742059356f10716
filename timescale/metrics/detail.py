"""Everything the page of one table or one aggregate shows. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models, transaction

from timescale import services
from timescale.engine.chunks import Bar, strip_of
from timescale.engine.drift import NOT_MENDED, Aspect, State, in_force
from timescale.engine.policies import WantedTable, WantedView
from timescale.metrics.readings import Readings, read_everything
from timescale.metrics.summary import AggregateRow, HypertableRow, aggregate_row, summary_of, table_row
from timescale.models import AggregatePolicy, HypertablePolicy, RetentionRun, TableAction, TableSample
from timescale.store.chunks import read_chunks
from timescale.store.errors import ServerAway, TimescaleError
from timescale.store.jobs import JobRun, read_job_history
from timescale.store.reading import moment

SHOWN = 20


@dataclass(frozen=True)
class Drift:
    """One thing that the row wants, beside what the server has; `sql` is what applying the row again runs."""

    aspect: Aspect
    sql: tuple[str, ...]
    since: datetime | None

    @property
    def in_sync(self) -> bool:
        return self.aspect.state is State.IN_SYNC

    @property
    def can_reapply(self) -> bool:
        return self.aspect.kind not in NOT_MENDED


@dataclass(frozen=True)
class Detail:
    drifts: tuple[Drift, ...]
    in_force: Mapping[str, Any]
    bars: tuple[Bar, ...]
    chunk_problem: str
    history: tuple[JobRun, ...]
    actions: tuple[TableAction, ...]
    changes: tuple[LogEntry, ...]
    samples: tuple[TableSample, ...]
    edition: str
    edition_means: str
    workers: int | None
    read_at: datetime


@dataclass(frozen=True)
class TableDetail(Detail):
    row: HypertableRow
    runs: tuple[RetentionRun, ...]
    aggregates: tuple[AggregateRow, ...]


@dataclass(frozen=True)
class AggregateDetail(Detail):
    row: AggregateRow


def table_detail(policy: HypertablePolicy, *, now: datetime) -> TableDetail:
    """Raises TimescaleError where the catalogue can't be read."""
    read, wanted = read_everything(now=now), policy.wanted()
    relation = f'"{wanted.table}"' if wanted.table in read.seen.hypertables else ""
    grace = read.graces.get(wanted.table)
    acting = grace.previous if grace else services.bound_of(wanted)
    cutoff = moment(wanted.cutoff(now=now, drop_after=acting)) if acting else None
    summary = summary_of(read)
    return TableDetail(
        **_common(policy, wanted, read, relation=relation, cutoff=cutoff),
        row=table_row(policy, read),
        runs=tuple(RetentionRun.objects.filter(table_name=wanted.table)[:SHOWN]),
        aggregates=tuple(row for row in summary.aggregates if row.source == wanted.table),
    )


def aggregate_detail(policy: AggregatePolicy, *, now: datetime) -> AggregateDetail:
    read, wanted = read_everything(now=now), policy.wanted()
    view = read.seen.views.get(wanted.view)
    relation = view.materialization if view is not None and view.continuous else ""
    cutoff = now - wanted.drop_after if wanted.drop_after else None
    common = _common(policy, wanted, read, relation=relation, cutoff=cutoff)
    return AggregateDetail(**common, row=aggregate_row(policy, read))


def _common(
    policy: models.Model, wanted: WantedTable | WantedView, read: Readings, *, relation: str, cutoff: datetime | None
) -> dict[str, Any]:
    name, now = wanted.name, read.read_at
    aspects = read.aspects.get(name, ())
    bars, problem = _bars(relation, cutoff)
    return {
        "drifts": tuple(_drift(wanted, aspect, read) for aspect in aspects),
        "in_force": in_force(aspects),
        "bars": bars,
        "chunk_problem": problem,
        "history": _history([job.job_id for job in read.seen.jobs_of(name)]),
        "actions": tuple(TableAction.objects.filter(relation=name)[:SHOWN]),
        "changes": tuple(
            LogEntry.objects.filter(
                content_type=ContentType.objects.get_for_model(policy), object_id=str(policy.pk)
            ).select_related("user")[:SHOWN]
        ),
        "samples": tuple(
            TableSample.objects.filter(relation=name, taken_at__gte=now - timedelta(days=1)).order_by("taken_at")
        ),
        "edition": read.seen.edition,
        "edition_means": read.seen.detection.means,
        "workers": read.workers,
        "read_at": now,
    }


def _drift(wanted: WantedTable | WantedView, aspect: Aspect, read: Readings) -> Drift:
    row = read.applied.get((aspect.relation, aspect.kind))
    in_sync = aspect.state is State.IN_SYNC
    sql = () if in_sync else services.mend_statements(wanted, aspect, now=read.read_at)
    return Drift(aspect, sql, row.differs_since if row else None)


def _bars(relation: str, cutoff: datetime | None) -> tuple[tuple[Bar, ...], str]:
    if not relation:
        return (), ""
    try:
        with transaction.atomic():
            return strip_of(read_chunks(connection, relation), cutoff=cutoff), ""
    except ServerAway:
        raise
    except TimescaleError as error:
        return (), str(error)


def _history(job_ids: list[int]) -> tuple[JobRun, ...]:
    """Empty where the server has none: before 2.15, or of jobs that another role owns."""
    try:
        with transaction.atomic():
            return read_job_history(connection, job_ids, limit=SHOWN) if job_ids else ()
    except ServerAway:
        raise
    except TimescaleError:
        return ()

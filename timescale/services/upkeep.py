"""Takes the samples that growth is computed from, and keeps everything this app remembers bounded."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from timescale.models import (
    AggregatePolicy,
    AppliedSetting,
    HypertablePolicy,
    RetentionGrace,
    RetentionRun,
    TableAction,
    TableSample,
)
from timescale.store import catalog
from timescale.store.sizes import measure

RUNS_KEPT = 5_000
ACTIONS_KEPT = 1_000
SAMPLES_KEPT_FOR = timedelta(days=7)
SAMPLES_KEPT = 50_000  # of all relations together: 24 relations for a week
DATABASE = ""  # the name under which the whole database is sampled


def take_samples(*, now: datetime) -> int:
    """One line a table and aggregate, and one for the database; answers how many. Raises TimescaleError."""
    seen = catalog.read_catalog(connection)
    tables = HypertablePolicy.objects.values_list("table_name", flat=True)
    views = AggregatePolicy.objects.values_list("view_name", flat=True)
    samples = [TableSample(relation=DATABASE, taken_at=now, bytes=seen.database_bytes)]
    for name, sizes in measure(connection, seen, tables=tables, views=views).items():
        hypertable = seen.hypertables.get(name)
        chunks = hypertable.chunks if hypertable else None
        samples.append(
            TableSample(relation=name, taken_at=now, bytes=sizes.bytes, rows=sizes.rows_estimate, chunks=chunks)
        )
    return len(TableSample.objects.bulk_create(samples))


def prune_history(*, now: datetime) -> int:
    """Keeps the newest runs, actions and samples, and no line of a policy that is gone; answers how many went."""
    names = {*HypertablePolicy.objects.values_list("table_name", flat=True)}
    names |= {*AggregatePolicy.objects.values_list("view_name", flat=True)}
    gone: int = RetentionRun.objects.prune(keep=RUNS_KEPT) + TableAction.objects.prune(keep=ACTIONS_KEPT)
    gone += TableSample.objects.filter(taken_at__lt=now - SAMPLES_KEPT_FOR).delete()[0]
    gone += TableSample.objects.prune(keep=SAMPLES_KEPT)
    for model in (AppliedSetting, RetentionGrace):
        gone += model._default_manager.exclude(relation__in=names).delete()[0]
    return gone

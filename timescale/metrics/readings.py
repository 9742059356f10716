"""Reads once what every page about tables needs: catalogue, sizes, ages, samples, jobs. Judges nothing.

The number of queries does not depend on the number of tables, as long as each of them can be read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import connection

from timescale import services
from timescale.engine.doctor import unread_since
from timescale.engine.drift import Aspect, Kind
from timescale.engine.edition import Edition
from timescale.engine.grace import Grace
from timescale.engine.growth import per_day
from timescale.engine.refreshing import Late
from timescale.models import AggregatePolicy, AppliedSetting, HypertablePolicy, RetentionRun, TableAction, TableSample
from timescale.store import catalog
from timescale.store.catalog import Catalog
from timescale.store.chunks import read_backlog
from timescale.store.errors import RelationMissing, ServerAway, TimescaleError
from timescale.store.reading import alone
from timescale.store.sizes import Ages, Sizes, measure, read_ages, read_first_since, read_watermarks

GROWTH_OVER = timedelta(days=1)
LATE_LOOKED_AT = 10  # a page says since when; the task looks at all
Value = TypeVar("Value")


@dataclass(frozen=True)
class Readings:
    seen: Catalog
    tables: tuple[HypertablePolicy, ...]
    views: tuple[AggregatePolicy, ...]
    aspects: dict[str, tuple[Aspect, ...]]
    problems: dict[str, tuple[str, ...]]
    sizes: dict[str, Sizes]
    ages: dict[str, Ages]
    unreadable: dict[str, str]
    growth: dict[str, float | None]
    watermarks: dict[str, datetime | None]
    unread: dict[str, datetime | None]  # of the aggregates that may be behind: the source's first row beyond them
    late: Late  # what no policy reaches any more
    backlog: dict[str, int]
    graces: dict[str, Grace]
    applied: dict[tuple[str, str], AppliedSetting]
    runs: dict[str, RetentionRun]
    open_actions: dict[str, TableAction]
    workers: int | None
    read_at: datetime


def read_everything(*, now: datetime) -> Readings:
    """Raises TimescaleError where the catalogue can't be read; of a table that can't be, `unreadable` says why."""
    with alone(connection):
        seen = catalog.read_catalog(connection)
    tables, views = tuple(HypertablePolicy.objects.all()), tuple(AggregatePolicy.objects.all())
    wishes, applied = ([row.wanted() for row in tables], [row.wanted() for row in views]), AppliedSetting.objects.all()
    ages, unreadable = _ages(seen, tables)
    names = [row.table_name for row in tables if row.table_name not in unreadable]
    none: dict[str, Sizes] = {}
    sizes = _or(none, lambda: measure(connection, seen, tables=names, views=[row.view_name for row in views]))
    community = seen.edition is Edition.COMMUNITY
    marks: dict[str, datetime | None] = _or({}, lambda: read_watermarks(connection)) if community else {}
    return Readings(
        seen=seen,
        tables=tables,
        views=views,
        aspects=services.survey_of(seen, wishes, applied=applied),
        problems=services.problems_of(wishes, seen=seen),
        sizes=sizes,
        ages=ages,
        unreadable=unreadable,
        growth=_growth(seen, sizes, now=now),
        watermarks=marks,
        unread=_unread(
            seen, views, marks, ages=ages, columns={row.table_name: row.time_column for row in tables}, now=now
        ),
        late=_or(Late(), lambda: services.plan_missed(seen, now=now, wishes=wishes, limit=LATE_LOOKED_AT)),
        backlog=_or({}, lambda: read_backlog(connection, _compressed_before(tables, now=now))) if community else {},
        graces=services.read_graces(now=now),
        applied={(row.relation, row.kind): row for row in applied},
        runs={run.table_name: run for run in RetentionRun.objects.order_by("table_name", "-id").distinct("table_name")},
        open_actions={
            action.relation: action
            for action in TableAction.objects.filter(phase__in=[TableAction.Phase.QUEUED, TableAction.Phase.RUNNING])
        },
        workers=seen.workers if community else None,
        read_at=now,
    )


def _ages(seen: Catalog, tables: tuple[HypertablePolicy, ...]) -> tuple[dict[str, Ages], dict[str, str]]:
    """All in one query; one by one only when that one fails, so that one table's error leaves the others readable."""
    columns, unreadable = {}, {}
    for row in tables:
        known = seen.columns.get(row.table_name)
        if known is None:
            unreadable[row.table_name] = str(RelationMissing(row.table_name, "Has its migration run?"))
        elif row.time_column not in known:
            unreadable[row.table_name] = f"{row.table_name}: it has no column {row.time_column}."
        else:
            columns[row.table_name] = row.time_column
    try:
        with alone(connection):
            return read_ages(connection, columns, hypertables=seen.hypertables), unreadable
    except ServerAway:
        raise
    except TimescaleError:
        ages: dict[str, Ages] = {}
        for table, column in columns.items():
            try:
                with alone(connection):
                    ages |= read_ages(connection, {table: column}, hypertables=seen.hypertables)
            except ServerAway:
                raise
            except TimescaleError as error:
                unreadable[table] = str(error)
        return ages, unreadable


def _unread(
    seen: Catalog,
    views: tuple[AggregatePolicy, ...],
    marks: dict[str, datetime | None],
    *,
    ages: dict[str, Ages],
    columns: dict[str, str],
    now: datetime,
) -> dict[str, datetime | None]:
    """No query while every aggregate has come as far as its source; one for all that have not."""
    asked: dict[str, tuple[str, str, datetime]] = {}
    for wanted in (row.wanted() for row in views if row.view_name in marks):
        source = seen.views.get(wanted.source)
        # An aggregate tells as far as it is refreshed. Asking its view would compute the rest.
        newest = marks.get(wanted.source) if source else getattr(ages.get(wanted.source), "newest_at", None)
        since = unread_since(wanted, watermark=marks[wanted.view], newest=newest, now=now)
        if since is not None:
            relation = source.materialization if source else f'"{wanted.source}"'
            asked[wanted.view] = relation, "bucket" if source else columns[wanted.source], since
    return _or({}, lambda: read_first_since(connection, asked)) if asked else {}


def _or(instead: Value, read: Callable[[], Value]) -> Value:
    """What this role may not read, or this version doesn't have, is unknown; the rest of the page still stands."""
    try:
        with alone(connection):
            return read()
    except ServerAway:
        raise
    except TimescaleError:
        return instead


def _compressed_before(tables: tuple[HypertablePolicy, ...], *, now: datetime) -> dict[str, datetime]:
    """Chunks that end before it should be compressed by now: old enough, and the job has looked since."""
    return {
        row.table_name: now - row.columnstore_after - 2 * (row.columnstore_schedule_interval or row.columnstore_after)
        for row in tables
        if row.enabled and row.columnstore_after is not None
    }


def _growth(seen: Catalog, sizes: dict[str, Sizes], *, now: datetime) -> dict[str, float | None]:
    """Bytes a day by table, since the oldest sample of the last day; the database's under services.DATABASE."""
    samples = (
        TableSample.objects.filter(taken_at__gte=now - GROWTH_OVER, taken_at__lt=now)
        .order_by("relation", "taken_at")
        .distinct("relation")
    )
    current = {name: size.bytes for name, size in sizes.items()} | {services.DATABASE: seen.database_bytes}
    return {
        sample.relation: per_day(
            then=sample.bytes, now=current.get(sample.relation), then_at=sample.taken_at, now_at=now
        )
        for sample in samples
    }


def applied_at(readings: Readings, relation: str, kind: Kind) -> datetime | None:
    row = readings.applied.get((relation, kind))
    return row.applied_at if row else None

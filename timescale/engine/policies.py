"""What an operator wants of a table or an aggregate, as values, and the rules such a wish keeps. Reads no row or clock.

TimescaleDB checks almost none of this: it accepts a negative `drop_after`, and empties the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from timescale.engine.durations import spell
from timescale.engine.edition import Edition

ZERO = timedelta(0)
DAY = timedelta(days=1)
LONGEST = timedelta(days=36_500)  # a moment further back is outside of what a clock here can say
# An aggregate's chunks hold a day or a week; looking for one to drop four times a day is enough.
AGGREGATE_RETENTION_INTERVAL = timedelta(hours=6)

JOB, DROP_CHUNKS, BATCHED_DELETE = "TimescaleDB job", "beat: drop_chunks", "beat: batched DELETE"


@dataclass(frozen=True)
class Columnstore:
    after: timedelta
    schedule_interval: timedelta
    segmentby: str  # comma-separated columns, "" for none
    orderby: str


@dataclass(frozen=True)
class WantedTable:
    table: str
    time_column: str
    time_is_date: bool
    chunk_time_interval: timedelta
    drop_after: timedelta
    schedule_interval: timedelta
    columnstore: Columnstore | None
    enabled: bool

    @property
    def name(self) -> str:
        return self.table

    def cutoff(self, *, now: datetime) -> datetime | date:
        """What lies before it may go. For a date column the day that is partly within the bound stays."""
        moment = now - self.drop_after
        return moment.date() if self.time_is_date else moment


@dataclass(frozen=True)
class WantedView:
    view: str
    source: str
    bucket_width: timedelta
    start_offset: timedelta
    end_offset: timedelta
    schedule_interval: timedelta
    drop_after: timedelta | None
    materialized_only: bool

    @property
    def name(self) -> str:
        return self.view


def enforced_by(edition: Edition, *, is_hypertable: bool) -> str:
    """Who drops what is too old."""
    if not is_hypertable:
        return BATCHED_DELETE
    return JOB if edition is Edition.COMMUNITY else DROP_CHUNKS


def table_problems(wanted: WantedTable) -> tuple[str, ...]:
    """Why this wish must not reach a server; empty when it may."""
    found = []
    for name, value in (
        ("chunk_time_interval", wanted.chunk_time_interval),
        ("drop_after", wanted.drop_after),
        ("the retention's schedule_interval", wanted.schedule_interval),
        ("columnstore_after", wanted.columnstore.after if wanted.columnstore else None),
        ("the columnstore's schedule_interval", wanted.columnstore.schedule_interval if wanted.columnstore else None),
    ):
        if value is not None and value <= ZERO:
            found.append(f"{name} must be positive.")
    if wanted.drop_after > LONGEST:
        found.append("drop_after must be 100 years at most.")
    if wanted.time_is_date and wanted.chunk_time_interval % DAY:
        found.append("A date column's chunk_time_interval must be whole days.")
    if wanted.chunk_time_interval > wanted.drop_after:
        found.append("drop_after must not be below chunk_time_interval: chunks go whole.")
    if wanted.columnstore is not None:
        smallest_date_chunk = wanted.time_is_date and wanted.chunk_time_interval == DAY
        if wanted.chunk_time_interval > wanted.columnstore.after and not smallest_date_chunk:
            found.append("columnstore_after must not be below chunk_time_interval: chunks are compressed whole.")
        if wanted.columnstore.after >= wanted.drop_after:
            found.append("columnstore_after must be below drop_after: else none is compressed.")
    return tuple(found)


def view_problems(wanted: WantedView) -> tuple[str, ...]:
    found = []
    for name, value in (
        ("bucket_width", wanted.bucket_width),
        ("schedule_interval", wanted.schedule_interval),
        ("drop_after", wanted.drop_after),
    ):
        if value is not None and value <= ZERO:
            found.append(f"{name} must be positive.")
    if wanted.drop_after is not None and wanted.drop_after > LONGEST:
        found.append("drop_after must be 100 years at most.")
    if wanted.end_offset < ZERO:
        found.append("end_offset must not be negative.")
    if wanted.start_offset - wanted.end_offset < 2 * wanted.bucket_width:
        found.append("From start_offset to end_offset must be two buckets at least.")
    if wanted.drop_after is not None and wanted.drop_after < wanted.start_offset:
        found.append("drop_after must not be below start_offset: a refresh would undo it.")
    return tuple(found)


def reach_problem(wanted: WantedView, *, source_drop_after: timedelta | None) -> str | None:
    """A refresh that looks further back than its source reaches erases history: there it finds nothing, and says so."""
    if source_drop_after is None or wanted.start_offset <= source_drop_after:
        return None
    return (
        f"{wanted.view} refreshes {spell(wanted.start_offset)} back, but {wanted.source} keeps "
        f"{spell(source_drop_after)}: the refresh would erase what the aggregate still holds."
    )


def reach_problems(name: str, *, tables: Iterable[WantedTable], views: Iterable[WantedView]) -> tuple[str, ...]:
    """The reach problems that the relation `name` takes part in, as reader or as source."""
    views = tuple(views)
    kept = {table.table: table.drop_after for table in tables if table.enabled}
    kept |= {view.view: view.drop_after for view in views if view.drop_after is not None}
    found = (
        reach_problem(view, source_drop_after=kept.get(view.source))
        for view in views
        if name in (view.view, view.source)
    )
    return tuple(problem for problem in found if problem)

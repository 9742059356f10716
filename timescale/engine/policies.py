"""What an operator wants of a table or an aggregate, as values, and the rules such a wish keeps. Reads no row or clock.

TimescaleDB checks almost none of this: it accepts a negative `drop_after`, and empties the table.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from timescale.engine.durations import spell
from timescale.engine.edition import Edition

NAME = r"[a-z_][a-z0-9_]*"
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

    def cutoff(self, *, now: datetime, drop_after: timedelta | None = None) -> datetime | date:
        """What lies before it may go. For a date column the day that is partly within the bound stays.

        `drop_after`: another bound than the one wished for.
        """
        moment = now - (self.drop_after if drop_after is None else drop_after)
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


def table_errors(wanted: WantedTable) -> dict[str, str]:
    """Why this wish must not reach a server, by the field of its row; empty when it may."""
    found = _Errors()
    columnstore = wanted.columnstore
    for field, value in (
        ("chunk_time_interval", wanted.chunk_time_interval),
        ("drop_after", wanted.drop_after),
        ("retention_schedule_interval", wanted.schedule_interval),
        ("columnstore_after", columnstore.after if columnstore else None),
        ("columnstore_schedule_interval", columnstore.schedule_interval if columnstore else None),
    ):
        found.unless_positive(field, value)
    if wanted.time_is_date and wanted.chunk_time_interval % DAY:
        found.add("chunk_time_interval", "A date column's chunk_time_interval must be whole days.")
    if wanted.chunk_time_interval > wanted.drop_after:
        found.add("drop_after", "drop_after must not be below chunk_time_interval: chunks go whole.")
    if columnstore is not None:
        smallest_date_chunk = wanted.time_is_date and wanted.chunk_time_interval == DAY
        if wanted.chunk_time_interval > columnstore.after and not smallest_date_chunk:
            message = "columnstore_after must not be below chunk_time_interval: chunks are compressed whole."
            found.add("columnstore_after", message)
        if columnstore.after >= wanted.drop_after:
            found.add("columnstore_after", "columnstore_after must be below drop_after: else none is compressed.")
        segmentby, ordered = column_names(columnstore.segmentby), ordered_columns(columnstore.orderby)
        if wanted.time_column in segmentby:
            found.add("segmentby", f"segmentby must not name {wanted.time_column}: every segment would hold one row.")
        if twice := [name for name in ordered if name in segmentby]:
            found.add("orderby", f"orderby must not name {', '.join(twice)}, which segmentby names.")
    return found.by_field


def view_errors(wanted: WantedView) -> dict[str, str]:
    """The same for an aggregate's."""
    found = _Errors()
    for field, value in (
        ("bucket_width", wanted.bucket_width),
        ("schedule_interval", wanted.schedule_interval),
        ("drop_after", wanted.drop_after),
    ):
        found.unless_positive(field, value)
    if wanted.end_offset < ZERO:
        found.add("end_offset", "end_offset must not be negative.")
    if wanted.start_offset > LONGEST:
        found.add("start_offset", "start_offset must be 100 years at most.")
    if wanted.start_offset - wanted.end_offset < 2 * wanted.bucket_width:
        found.add("start_offset", "From start_offset to end_offset must be two buckets at least.")
    if wanted.drop_after is not None and wanted.drop_after < wanted.start_offset:
        found.add("drop_after", "drop_after must not be below start_offset: a refresh would undo it.")
    return found.by_field


def column_errors(wanted: WantedTable, *, columns: Collection[str]) -> dict[str, str]:
    """What segmentby and orderby name that the table doesn't have."""
    if wanted.columnstore is None:
        return {}
    named = {
        "segmentby": column_names(wanted.columnstore.segmentby),
        "orderby": ordered_columns(wanted.columnstore.orderby),
    }
    missing = {field: [name for name in names if name not in columns] for field, names in named.items()}
    return {
        field: f"{wanted.table} has no column {', '.join(names)}; it has {', '.join(sorted(columns))}."
        for field, names in missing.items()
        if names
    }


def table_problems(wanted: WantedTable) -> tuple[str, ...]:
    """The same as sentences, and of a row that was written past every form: a % in it would end the sweep of all."""
    names = [name for name in (wanted.table, wanted.time_column) if not re.fullmatch(NAME, name)]
    wrong = [f"{name!r} is no name in small letters, digits and underscores." for name in names]
    return (*wrong, *table_errors(wanted).values())


def view_problems(wanted: WantedView) -> tuple[str, ...]:
    return tuple(view_errors(wanted).values())


class _Errors:
    def __init__(self) -> None:
        self.by_field: dict[str, str] = {}

    def add(self, field: str, message: str) -> None:
        self.by_field[field] = f"{self.by_field[field]} {message}" if field in self.by_field else message

    def unless_positive(self, field: str, value: timedelta | None) -> None:
        if value is not None and value <= ZERO:
            self.add(field, f"{field} must be positive.")
        elif value is not None and value > LONGEST:
            self.add(field, f"{field} must be 100 years at most.")


def column_names(text: str) -> tuple[str, ...]:
    """`symbol, session` → both; quotes, which the server puts in its answer, are left out."""
    return tuple(name.strip().strip('"') for name in text.split(",") if name.strip())


def order_terms(text: str) -> tuple[str, ...]:
    """The server answers `"time" DESC` for `time DESC`, and leaves ASC out."""
    return tuple(
        " ".join(term.replace('"', "").split()).removesuffix(" ASC") for term in text.split(",") if term.strip()
    )


def ordered_columns(text: str) -> tuple[str, ...]:
    return tuple(term.partition(" ")[0] for term in order_terms(text))


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

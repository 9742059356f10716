"""Compares what the rows want with what the server has. Changes nothing, and names each difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from timescale.engine.durations import spell
from timescale.engine.policies import AGGREGATE_RETENTION_INTERVAL, WantedTable, WantedView


class Kind(StrEnum):
    HYPERTABLE = "hypertable"
    CHUNKS = "chunk_time_interval"
    COLUMNSTORE_SETTINGS = "columnstore settings"
    COLUMNSTORE = "columnstore"
    RETENTION = "retention"
    AGGREGATE = "continuous aggregate"
    MATERIALIZED_ONLY = "materialized_only"
    REFRESH = "refresh"


# What only a migration makes; reconciling reports it and leaves it.
NOT_MENDED = (Kind.HYPERTABLE, Kind.AGGREGATE)


@dataclass(frozen=True)
class Job:
    """One policy job as the server has it. `relation` is the table, or the view and not its materialization."""

    job_id: int
    kind: Kind
    relation: str
    after: timedelta | None
    start_offset: timedelta | None
    end_offset: timedelta | None
    schedule_interval: timedelta
    scheduled: bool
    last_run: datetime | None
    last_ok: datetime | None
    last_status: str | None
    last_error: str | None

    @property
    def says(self) -> str:
        if self.kind is Kind.REFRESH:
            window = f"from {_spell(self.start_offset)} to {_spell(self.end_offset)} back"
        else:
            window = f"after {_spell(self.after)}"
        return f"{window}, every {spell(self.schedule_interval)}" + ("" if self.scheduled else ", paused")


@dataclass(frozen=True)
class Hypertable:
    table: str
    chunk_time_interval: timedelta | None
    chunks: int
    compressed_chunks: int
    columnstore: bool
    segmentby: str
    orderby: str


@dataclass(frozen=True)
class View:
    view: str
    continuous: bool
    materialized_only: bool | None


@dataclass(frozen=True)
class Difference:
    relation: str
    kind: Kind
    wanted: str
    actual: str

    def __str__(self) -> str:
        return f"{self.relation}: {self.kind} is {self.actual}, wanted {self.wanted}"


def compare_table(wanted: WantedTable, actual: Hypertable | None, *, jobs: Iterable[Job]) -> tuple[Difference, ...]:
    """On the Community edition. A disabled wish wants no job and leaves the rest as it is."""
    name = wanted.table
    if actual is None:
        return (Difference(name, Kind.HYPERTABLE, "a hypertable", "a plain table"),)
    found: list[Difference | None] = []
    columnstore = wanted.columnstore if wanted.enabled else None
    if wanted.enabled and actual.chunk_time_interval != wanted.chunk_time_interval:
        intervals = spell(wanted.chunk_time_interval), _spell(actual.chunk_time_interval)
        found.append(Difference(name, Kind.CHUNKS, *intervals))
    if columnstore is not None:
        want = _columns(columnstore.segmentby), _order(columnstore.orderby)
        have = _columns(actual.segmentby), _order(actual.orderby)
        if not actual.columnstore or want != have:
            found.append(
                Difference(
                    name,
                    Kind.COLUMNSTORE_SETTINGS,
                    f"segmentby {columnstore.segmentby or 'nothing'}, orderby {columnstore.orderby or 'nothing'}",
                    f"segmentby {actual.segmentby or 'nothing'}, orderby {actual.orderby or 'nothing'}"
                    if actual.columnstore
                    else "off",
                )
            )
    after = (columnstore.after, None, None, columnstore.schedule_interval) if columnstore else None
    found.append(_compare_jobs(name, Kind.COLUMNSTORE, after, jobs))
    after = (wanted.drop_after, None, None, wanted.schedule_interval) if wanted.enabled else None
    found.append(_compare_jobs(name, Kind.RETENTION, after, jobs))
    return tuple(difference for difference in found if difference)


def compare_view(wanted: WantedView, actual: View | None, *, jobs: Iterable[Job]) -> tuple[Difference, ...]:
    """On the Community edition."""
    name = wanted.view
    if actual is None or not actual.continuous:
        have = "missing" if actual is None else "a plain view"
        return (Difference(name, Kind.AGGREGATE, "a continuous aggregate", have),)
    found: list[Difference | None] = []
    if actual.materialized_only != wanted.materialized_only:
        flags = str(wanted.materialized_only).lower(), str(actual.materialized_only).lower()
        found.append(Difference(name, Kind.MATERIALIZED_ONLY, *flags))
    window = (None, wanted.start_offset, wanted.end_offset, wanted.schedule_interval)
    found.append(_compare_jobs(name, Kind.REFRESH, window, jobs))
    after = (wanted.drop_after, None, None, AGGREGATE_RETENTION_INTERVAL) if wanted.drop_after else None
    found.append(_compare_jobs(name, Kind.RETENTION, after, jobs))
    return tuple(difference for difference in found if difference)


_Timing = tuple[timedelta | None, timedelta | None, timedelta | None, timedelta]


def _compare_jobs(name: str, kind: Kind, wanted: _Timing | None, jobs: Iterable[Job]) -> Difference | None:
    mine = [job for job in jobs if job.relation == name and job.kind is kind]
    have = [(job.after, job.start_offset, job.end_offset, job.schedule_interval) for job in mine if job.scheduled]
    if have == ([wanted] if wanted else []) and len(mine) == len(have):
        return None
    actual = " and ".join(job.says for job in mine) or "no job"
    if wanted is None:
        return Difference(name, kind, "no job", actual)
    return Difference(name, kind, Job(0, kind, name, *wanted, True, None, None, None, None).says, actual)


def _columns(text: str) -> tuple[str, ...]:
    return tuple(name.strip().strip('"') for name in text.split(",") if name.strip())


def _order(text: str) -> tuple[str, ...]:
    """The server answers `"time" DESC` for `time DESC`, and leaves ASC out."""
    return tuple(
        " ".join(term.replace('"', "").split()).removesuffix(" ASC") for term in text.split(",") if term.strip()
    )


def _spell(duration: timedelta | None) -> str:
    return "unset" if duration is None else spell(duration)

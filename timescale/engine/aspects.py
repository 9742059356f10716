"""What a server has of tables, views and jobs, and one thing of it beside what a row wants. Compares nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from timescale.engine.durations import spell


class Kind(StrEnum):
    HYPERTABLE = "hypertable"
    CHUNKS = "chunk_time_interval"
    COLUMNSTORE_SETTINGS = "columnstore settings"
    COLUMNSTORE = "columnstore"
    RETENTION = "retention"
    AGGREGATE = "continuous aggregate"
    MATERIALIZED_ONLY = "materialized_only"
    REFRESH = "refresh"


class State(StrEnum):
    IN_SYNC = "in sync"
    CHANGED_IN_DATABASE = "changed in database"
    CHANGED_IN_CONSOLE = "changed in console"
    MISSING = "missing"
    EXTRA = "extra"
    PAUSED = "paused"
    WRONG_SETTINGS = "wrong settings"


# What only a migration makes; reconciling reports it and leaves it.
NOT_MENDED = (Kind.HYPERTABLE, Kind.AGGREGATE)
NONE = "none"
# PostgreSQL 15.20 (15.18 did not) refuses to drop a portal that nothing ran in, and that is how TimescaleDB 2.28.3 ends
# every job that its scheduler runs, after it has committed the job's work: each run counts as failed, "cannot drop
# portal", and the scheduler waits up to five intervals before the next.
ENDS_BADLY = "24000"


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
    next_start: datetime | None = None
    status: str | None = None  # of the scheduler: Scheduled, Running or Paused
    total_runs: int = 0
    total_failures: int = 0
    failures_in_a_row: int | None = None  # None: the server keeps no history that this role may read
    last_error_code: str | None = None  # SQLSTATE

    @property
    def failed_after_work(self) -> bool:
        """The run did and committed its work, and is counted as failed all the same; see ENDS_BADLY."""
        return self.last_status == "Failed" and self.last_error_code == ENDS_BADLY

    @property
    def failed(self) -> bool:
        return self.last_status == "Failed" and not self.failed_after_work

    @property
    def worked_at(self) -> datetime | None:
        """When it last did its work, whatever the server counted it as."""
        return self.last_run if self.failed_after_work else self.last_ok

    @property
    def says(self) -> str:
        if self.kind is Kind.REFRESH:
            window = f"from {spell_or_unset(self.start_offset)} to {spell_or_unset(self.end_offset)} back"
        else:
            window = f"after {spell_or_unset(self.after)}"
        return f"{window}, every {spell(self.schedule_interval)}" + ("" if self.scheduled else ", paused")

    @property
    def timing(self) -> Timing:
        return self.after, self.start_offset, self.end_offset, self.schedule_interval


Timing = tuple[timedelta | None, timedelta | None, timedelta | None, timedelta]


@dataclass(frozen=True)
class Hypertable:
    table: str
    chunk_time_interval: timedelta | None
    chunks: int
    compressed_chunks: int
    columnstore: bool
    segmentby: str
    orderby: str
    first_chunk_end: datetime | None = None
    last_chunk_start: datetime | None = None


@dataclass(frozen=True)
class View:
    view: str
    continuous: bool
    materialized_only: bool | None
    materialization: str = ""  # the hypertable, with its schema, that holds a continuous aggregate's buckets


@dataclass(frozen=True)
class Aspect:
    """One thing that a row wants and a server has. Marks are exact where the sentences are rounded.

    `adopt`: the fields that make the row say what the server has; None where no row can say it, `why_not_adopt` why.
    """

    relation: str
    kind: Kind
    wanted: str
    actual: str
    wanted_mark: str
    actual_mark: str
    state: State
    adopt: Mapping[str, Any] | None = None
    why_not_adopt: str = ""
    applied: bool = False  # something was applied or found equal before: what differs now was changed since

    def __str__(self) -> str:
        return f"{self.relation}: {self.says}"

    @property
    def says(self) -> str:
        """Where the page or the line is the relation's already."""
        return f"{self.kind} is {self.actual}, wanted {self.wanted}"

    @property
    def mended_by_itself(self) -> bool:
        """Carried out without being asked: what the row changed, and what was never there. Not what others changed."""
        if self.kind in NOT_MENDED:
            return False
        return self.state is State.CHANGED_IN_CONSOLE or (self.state is State.MISSING and not self.applied)


Difference = Aspect  # an aspect that is not in sync


def spell_or_unset(duration: timedelta | None) -> str:
    return "unset" if duration is None else spell(duration)

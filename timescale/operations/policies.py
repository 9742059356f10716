"""Operations that add TimescaleDB's policies, for projects that keep them in migrations. This console keeps rows.

A policy's job runs within seconds of the commit, in a test database too: `first_run_after` delays it. The server
checks almost nothing (a negative drop_after empties the table), so the values are checked here, where they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from psycopg import sql

from timescale.engine.adoption import Step
from timescale.engine.drift import Job, Kind
from timescale.engine.durations import spell
from timescale.engine.edition import Edition
from timescale.operations.base import Target, TimescaleOperation, regclass
from timescale.store import catalog

ZERO = timedelta(0)


class _AddPolicy(TimescaleOperation):
    """Community only. A job that has these values already is left; one that differs is replaced in one transaction.

    `if_not_exists` of the server's own functions never changes a policy that exists: it answers -1 and a warning.
    """

    kind: ClassVar[Kind]
    add: ClassVar[str]
    remove: ClassVar[str]
    not_here = "policies need the Community edition"
    relation: str
    schedule_interval: timedelta
    first_run_after: timedelta | None

    def values(self) -> Mapping[str, timedelta | None]:
        """The policy's own arguments, by the server's names."""
        raise NotImplementedError

    def agrees(self, job: Job) -> bool:
        raise NotImplementedError

    def steps(self, target: Target, *, app_label: str, state: Any) -> Iterable[Step]:
        if target.edition is Edition.COMMUNITY and not self._stands(target):
            yield Step(self.relation, self.describe())

    def forwards(self, target: Target) -> Iterable[sql.Composable]:
        if target.edition is not Edition.COMMUNITY or (not target.printing and self._stands(target)):
            return
        yield from self.backwards(target)
        arguments = [
            sql.SQL("{} => {}::interval").format(sql.SQL(name), sql.Literal(value))
            for name, value in (*self.values().items(), ("schedule_interval", self.schedule_interval))
        ]
        if self.first_run_after is not None:
            start = sql.SQL("initial_start => now() + {}::interval")
            arguments.append(start.format(sql.Literal(self.first_run_after)))
        call = sql.SQL(self.add).format(sql.SQL(", ").join([regclass(self.relation), *arguments]))
        yield call

    def backwards(self, target: Target) -> Iterable[sql.Composable]:
        if target.edition is Edition.COMMUNITY:
            yield sql.SQL(self.remove).format(regclass(self.relation))

    def _stands(self, target: Target) -> bool:
        if target.detection.installed is None:
            return False
        jobs = [job for job in catalog.read_catalog(target.connection).jobs_of(self.relation) if job.kind is self.kind]
        return len(jobs) == 1 and jobs[0].schedule_interval == self.schedule_interval and self.agrees(jobs[0])

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.relation}_{self.kind}".lower()


class AddColumnstorePolicy(_AddPolicy):
    """Converts chunks older than `after` to the columnstore. EnableColumnstore comes first. Backwards removes it."""

    kind = Kind.COLUMNSTORE
    add, remove = "CALL add_columnstore_policy({})", "CALL remove_columnstore_policy({}, if_exists => true)"

    def __init__(
        self,
        relation: str,
        *,
        after: timedelta,
        schedule_interval: timedelta,
        first_run_after: timedelta | None = None,
    ) -> None:
        _positive(relation, after=after, schedule_interval=schedule_interval)
        self.relation, self.after = relation, after
        self.schedule_interval, self.first_run_after = schedule_interval, first_run_after

    def values(self) -> Mapping[str, timedelta | None]:
        return {"after": self.after}

    def agrees(self, job: Job) -> bool:
        return job.after == self.after

    def describe(self) -> str:
        return f"Compress {self.relation} after {spell(self.after)}, every {spell(self.schedule_interval)}"


class AddRetentionPolicy(_AddPolicy):
    """Drops chunks older than `drop_after` of a hypertable or a continuous aggregate.

    Backwards removes the policy; what it has dropped by then is gone.
    """

    kind = Kind.RETENTION
    add, remove = "SELECT add_retention_policy({})", "SELECT remove_retention_policy({}, if_exists => true)"

    def __init__(
        self,
        relation: str,
        *,
        drop_after: timedelta,
        schedule_interval: timedelta,
        first_run_after: timedelta | None = None,
    ) -> None:
        _positive(relation, drop_after=drop_after, schedule_interval=schedule_interval)
        self.relation, self.drop_after = relation, drop_after
        self.schedule_interval, self.first_run_after = schedule_interval, first_run_after

    def values(self) -> Mapping[str, timedelta | None]:
        return {"drop_after": self.drop_after}

    def agrees(self, job: Job) -> bool:
        return job.after == self.drop_after

    def describe(self) -> str:
        return f"Drop {self.relation} after {spell(self.drop_after)}, every {spell(self.schedule_interval)}"


class AddContinuousAggregatePolicy(_AddPolicy):
    """Refreshes a continuous aggregate from `start_offset` to `end_offset` back. Backwards removes the policy.

    `start_offset` must not reach further back than its source does: a refresh erases what it no longer finds there.
    """

    kind = Kind.REFRESH
    add = "SELECT add_continuous_aggregate_policy({})"
    remove = "SELECT remove_continuous_aggregate_policy({}, if_exists => true)"

    def __init__(
        self,
        relation: str,
        *,
        start_offset: timedelta,
        end_offset: timedelta,
        schedule_interval: timedelta,
        first_run_after: timedelta | None = None,
    ) -> None:
        _positive(relation, start_offset=start_offset, schedule_interval=schedule_interval)
        if end_offset < ZERO or start_offset <= end_offset:
            raise ValueError(f"{relation}: end_offset must lie between 0 and start_offset, not {end_offset}")
        self.relation, self.start_offset, self.end_offset = relation, start_offset, end_offset
        self.schedule_interval, self.first_run_after = schedule_interval, first_run_after

    def values(self) -> Mapping[str, timedelta | None]:
        return {"start_offset": self.start_offset, "end_offset": self.end_offset}

    def agrees(self, job: Job) -> bool:
        return (job.start_offset, job.end_offset) == (self.start_offset, self.end_offset)

    def describe(self) -> str:
        window = f"from {spell(self.start_offset)} to {spell(self.end_offset)} back"
        return f"Refresh {self.relation} {window}, every {spell(self.schedule_interval)}"


def _positive(relation: str, **values: timedelta) -> None:
    for name, value in values.items():
        if value <= ZERO:
            raise ValueError(f"{relation}: {name} must be positive, not {value}")

"""The operation that creates an aggregate over time: one definition, rendered for each edition.

Nothing of a definition may read the clock or another relation than its source, so that a refresh of any window gives
what the whole would have given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg import sql

from timescale.engine.adoption import Lock, Step, name_before
from timescale.engine.durations import spell
from timescale.engine.edition import Edition
from timescale.engine.sizing import REFRESHED, duration
from timescale.operations.base import Target, TimescaleOperation, regclass
from timescale.operations.columns import Column
from timescale.store import catalog, shapes

# A Monday, and the origin of time_bucket: with it date_bin cuts the same buckets, weeks included.
_ORIGIN = sql.SQL("TIMESTAMPTZ '2000-01-03 00:00:00+00'")


@dataclass(frozen=True)
class _Standing:
    """What has the view's name. `ours`: a view with exactly these columns."""

    kind: str
    ours: bool
    continuous: bool

    @property
    def says(self) -> str:
        if self.continuous:
            return "the continuous aggregate of other columns"
        return {"v": "the view of other columns", "m": "the materialized view"}.get(self.kind, "what has its name")


class CreateContinuousAggregate(TimescaleOperation):
    """Creates `view`, one row a bucket and group of `source` (a hypertable, or an aggregate of narrower buckets).

    Community: a continuous aggregate, without data; its refresh policy fills it. Elsewhere a plain view of the same
    name, columns and content, computed at each query: ask it for little, and filter the source by time where you can.
    A view of other columns that has the name is renamed (`…_before`) with all it holds; backwards gives the name back.
    A refresh policy, and retention, are the rows' matter.
    """

    def __init__(
        self,
        view: str,
        *,
        source: str,
        width: timedelta,
        columns: Mapping[str, Column],
        time_column: str = "time",
        bucket_column: str = "bucket",
        group_by: Sequence[str] = (),
        materialized_only: bool = False,
        chunk_time_interval: timedelta | None = None,
    ) -> None:
        self.view, self.source, self.width, self.columns = view, source, width, columns
        self.time_column, self.bucket_column, self.group_by = time_column, bucket_column, group_by
        self.materialized_only, self.chunk_time_interval = materialized_only, chunk_time_interval

    def steps(self, target: Target, *, app_label: str, state: Any) -> Iterable[Step]:
        standing = self._standing(target)
        if standing and not standing.ours:
            says = f"rename {standing.says} to {name_before(self.view)}, its rows kept, and remove its refresh policies"
            yield Step(self.view, says, Lock.ALL)
            standing = None
        if target.edition is not Edition.COMMUNITY:
            if standing is None:
                yield Step(self.view, f"create a plain view of {self.source}")
        elif standing is None or not standing.continuous:
            rows = shapes.read_rows(target.connection, self.source)
            doing = "make the plain view" if standing else "create"
            says = f"{doing} a continuous aggregate of {self.source}, to be filled from it"
            yield Step(
                self.view, says, Lock.ALL if standing else Lock.NONE, rows, duration(rows, rows_a_second=REFRESHED)
            )

    def forwards(self, target: Target) -> Iterable[sql.Composable]:
        view, select = sql.Identifier(self.view), self.select(target.edition)
        standing = None if target.printing else self._standing(target)
        if standing and not standing.ours:
            # What it holds may reach further back than its source: it is kept beside. Its refresh policy must go, it
            # may be the one that erases what its source no longer has.
            if standing.continuous:
                yield sql.SQL("SELECT remove_continuous_aggregate_policy({}, if_exists => true)").format(
                    regclass(self.view)
                )
            kind = sql.SQL("MATERIALIZED VIEW" if standing.continuous or standing.kind == "m" else "VIEW")
            renamed = sql.Identifier(name_before(self.view))
            yield sql.SQL("ALTER {} {} RENAME TO {}").format(kind, view, renamed)
            standing = None
        if target.edition is not Edition.COMMUNITY:
            if standing is None or not standing.continuous:
                yield sql.SQL("CREATE OR REPLACE VIEW {} AS {}").format(view, select)
            return
        if standing and not standing.continuous:
            # IF NOT EXISTS would take it for the aggregate, and say nothing.
            yield sql.SQL("DROP VIEW {}").format(view)
            standing = None
        if standing:
            return  # its width of chunks and materialized_only may have been changed since
        yield sql.SQL(
            "CREATE MATERIALIZED VIEW IF NOT EXISTS {} "
            "WITH (timescaledb.continuous, timescaledb.materialized_only = {}) AS {} WITH NO DATA"
        ).format(view, sql.Literal(self.materialized_only), select)
        if self.chunk_time_interval is not None:
            # The parameter of CREATE is unknown to 2.19; this works on both. Without it: ten of the source's chunks.
            yield sql.SQL("SELECT set_chunk_time_interval({}, {})").format(
                regclass(self.view), sql.Literal(self.chunk_time_interval)
            )

    def make_way(self, target: Target) -> Iterable[sql.Composable]:
        """Drops the plain view that a continuous aggregate takes the place of, so that what it reads can be dropped."""
        standing = self._standing(target)
        if target.edition is Edition.COMMUNITY and standing and standing.ours and not standing.continuous:
            yield sql.SQL("DROP VIEW {}").format(sql.Identifier(self.view))

    def backwards(self, target: Target) -> Iterable[sql.Composable]:
        view = sql.Identifier(self.view)
        if target.printing:
            continuous = target.edition is Edition.COMMUNITY
        else:
            standing = self._standing(target)
            if standing is None or not standing.ours:
                return
            continuous = standing.continuous  # each kind refuses the other's DROP
        yield sql.SQL("DROP MATERIALIZED VIEW IF EXISTS {}" if continuous else "DROP VIEW IF EXISTS {}").format(view)
        before = name_before(self.view)
        if not target.printing and (kind := shapes.read_kind(target.connection, before)):
            found = catalog.read_view(target.connection, before)
            materialized = kind == "m" or (found is not None and found.continuous)
            renamed = "ALTER MATERIALIZED VIEW {} RENAME TO {}" if materialized else "ALTER VIEW {} RENAME TO {}"
            yield sql.SQL(renamed).format(sql.Identifier(before), view)

    def _standing(self, target: Target) -> _Standing | None:
        kind = shapes.read_kind(target.connection, self.view)
        if kind is None:
            return None
        found = catalog.read_view(target.connection, self.view)
        names = [column.name for column in shapes.read_columns(target.connection, self.view)]
        ours = kind == "v" and names == [self.bucket_column, *self.group_by, *self.columns]
        return _Standing(kind, ours=ours, continuous=found is not None and found.continuous)

    def select(self, edition: Edition) -> sql.Composed:
        time = sql.Identifier(self.time_column)
        if edition.has_hypertables:
            bucket = sql.SQL("time_bucket({}, {})").format(sql.Literal(self.width), time)
        else:
            bucket = sql.SQL("date_bin({}, {}, {})").format(sql.Literal(self.width), time, _ORIGIN)
        columns: list[sql.Composable] = [sql.SQL("{} AS {}").format(bucket, sql.Identifier(self.bucket_column))]
        columns += [sql.Identifier(name) for name in self.group_by]
        columns += [
            sql.SQL("{} AS {}").format(column.render(time=self.time_column, edition=edition), sql.Identifier(name))
            for name, column in self.columns.items()
        ]
        # By position: a source that is an aggregate has a column called like the bucket.
        positions = sql.SQL(", ").join(sql.Literal(position) for position in range(1, len(self.group_by) + 2))
        return sql.SQL("SELECT {} FROM {} GROUP BY {}").format(
            sql.SQL(", ").join(columns), sql.Identifier(self.source), positions
        )

    def describe(self) -> str:
        return f"Create {self.view}: {self.source} by {spell(self.width)}"

    @property
    def migration_name_fragment(self) -> str:
        return self.view

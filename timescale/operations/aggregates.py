"""The operation that creates an aggregate over time, and its columns. One definition, rendered for each edition.

Nothing of a definition may read the clock or another relation than its source, so that a refresh of any window gives
what the whole would have given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from timescale.engine.durations import spell
from timescale.engine.edition import Edition
from timescale.operations.base import Target, TimescaleOperation, regclass
from timescale.store import catalog

# A Monday, and the origin of time_bucket: with it date_bin cuts the same buckets, weeks included.
_ORIGIN = sql.SQL("TIMESTAMPTZ '2000-01-03 00:00:00+00'")


@dataclass(frozen=True)
class Column:
    """A column made of another column's values in one bucket. `cast` names the type where PostgreSQL would widen it."""

    column: str
    cast: str = ""

    def deconstruct(self) -> tuple[str, tuple[str, ...], dict[str, str]]:
        """For the migration writer; Django's own decorator can't write to a frozen value."""
        return f"timescale.operations.{type(self).__name__}", (self.column,), {"cast": self.cast} if self.cast else {}

    def render(self, *, time: str, edition: Edition) -> sql.Composable:
        rendered = self.aggregate(sql.Identifier(self.column), sql.Identifier(time), edition=edition)
        return sql.SQL("({})::{}").format(rendered, sql.SQL(self.cast)) if self.cast else rendered

    def aggregate(self, column: sql.Composable, time: sql.Composable, *, edition: Edition) -> sql.Composable:
        raise NotImplementedError


@dataclass(frozen=True)
class First(Column):
    """The earliest value that is not NULL."""

    def aggregate(self, column: sql.Composable, time: sql.Composable, *, edition: Edition) -> sql.Composable:
        if edition.has_hypertables:
            return sql.SQL("first({c}, {t}) FILTER (WHERE {c} IS NOT NULL)").format(c=column, t=time)
        return sql.SQL("(array_agg({c} ORDER BY {t}) FILTER (WHERE {c} IS NOT NULL))[1]").format(c=column, t=time)


@dataclass(frozen=True)
class Last(Column):
    """The latest value that is not NULL."""

    def aggregate(self, column: sql.Composable, time: sql.Composable, *, edition: Edition) -> sql.Composable:
        if edition.has_hypertables:
            return sql.SQL("last({c}, {t}) FILTER (WHERE {c} IS NOT NULL)").format(c=column, t=time)
        return sql.SQL("(array_agg({c} ORDER BY {t} DESC) FILTER (WHERE {c} IS NOT NULL))[1]").format(c=column, t=time)


@dataclass(frozen=True)
class Max(Column):
    def aggregate(self, column: sql.Composable, time: sql.Composable, *, edition: Edition) -> sql.Composable:
        return sql.SQL("max({})").format(column)


@dataclass(frozen=True)
class Min(Column):
    def aggregate(self, column: sql.Composable, time: sql.Composable, *, edition: Edition) -> sql.Composable:
        return sql.SQL("min({})").format(column)


@dataclass(frozen=True)
class Sum(Column):
    """PostgreSQL answers numeric for a bigint column: a sum of counts wants cast="bigint"."""

    def aggregate(self, column: sql.Composable, time: sql.Composable, *, edition: Edition) -> sql.Composable:
        return sql.SQL("sum({})").format(column)


@dataclass(frozen=True)
class Count(Column):
    """Values that are not NULL; of no column, rows."""

    column: str = ""

    def aggregate(self, column: sql.Composable, time: sql.Composable, *, edition: Edition) -> sql.Composable:
        return sql.SQL("count({})").format(column if self.column else sql.SQL("*"))


class CreateContinuousAggregate(TimescaleOperation):
    """Creates `view`, one row a bucket and group of `source` (a hypertable, or an aggregate of narrower buckets).

    Community: a continuous aggregate, without data; its refresh policy fills it. Elsewhere a plain view of the same
    name, columns and content, computed at each query: ask it for little, and filter the source by time where you can.
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

    def forwards(self, target: Target) -> Iterable[sql.Composable]:
        view, select = sql.Identifier(self.view), self.select(target.edition)
        existing = None if target.printing else catalog.read_view(target.connection, self.view)
        if target.edition is not Edition.COMMUNITY:
            if existing is None or not existing.continuous:
                yield sql.SQL("CREATE OR REPLACE VIEW {} AS {}").format(view, select)
            return
        if existing and not existing.continuous:
            # IF NOT EXISTS would take it for the aggregate, and say nothing.
            yield sql.SQL("DROP VIEW {}").format(view)
        yield sql.SQL(
            "CREATE MATERIALIZED VIEW IF NOT EXISTS {} "
            "WITH (timescaledb.continuous, timescaledb.materialized_only = {}) AS {} WITH NO DATA"
        ).format(view, sql.Literal(self.materialized_only), select)
        if self.chunk_time_interval is not None:
            # The parameter of CREATE is unknown to 2.19; this works on both. Without it: ten of the source's chunks.
            yield sql.SQL("SELECT set_chunk_time_interval({}, {})").format(
                regclass(self.view), sql.Literal(self.chunk_time_interval)
            )

    def backwards(self, target: Target) -> Iterable[sql.Composable]:
        view = sql.Identifier(self.view)
        if target.printing:
            continuous = target.edition is Edition.COMMUNITY
        else:
            existing = catalog.read_view(target.connection, self.view)
            if existing is None:
                return
            continuous = existing.continuous  # each kind refuses the other's DROP
        yield sql.SQL("DROP MATERIALIZED VIEW IF EXISTS {}" if continuous else "DROP VIEW IF EXISTS {}").format(view)

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

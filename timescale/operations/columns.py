"""The columns of an aggregate over time, each rendered for the edition it meets. None reads the clock."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from timescale.engine.edition import Edition


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

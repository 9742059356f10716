"""Operations on tables: the extension, hypertables, chunks, columnstore. They create no job."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from psycopg import sql

from timescale.engine.adoption import Lock, Step, step_of_hypertable, step_of_wide_chunks
from timescale.engine.durations import spell
from timescale.engine.edition import Edition
from timescale.operations.base import Target, TimescaleOperation, regclass
from timescale.store import adoption, catalog, commands, shapes


class CreateExtension(TimescaleOperation):
    """Creates TimescaleDB where the server has it preloaded and the role may.

    Elsewhere it does nothing, and the operations after it find plain PostgreSQL. Backwards it leaves the extension:
    other tables may depend on it, and dropping it would take them along.
    """

    not_here = "the extension is there already, or can't be created"

    def steps(self, target: Target, *, app_label: str, state: Any) -> Iterable[Step]:
        if target.detection.can_install:
            yield Step("timescaledb", f"create the extension, version {target.detection.available}")

    def forwards(self, target: Target) -> Iterable[sql.Composable]:
        if target.detection.can_install:
            yield sql.SQL("CREATE EXTENSION IF NOT EXISTS timescaledb")

    def backwards(self, target: Target) -> Iterable[sql.Composable]:
        return ()

    def describe(self) -> str:
        return "Create the extension timescaledb where the server offers it"

    @property
    def migration_name_fragment(self) -> str:
        return "timescaledb"


class CreateHypertable(TimescaleOperation):
    """Splits a table into chunks by its time or date column; rows it holds already are moved, under an exclusive lock.

    TimescaleDB has no way back, so backwards leaves the hypertable; dropping the table (CreateModel's own reverse)
    drops it. The default index is not made: a primary key that starts with the column does its work.
    A table that is a hypertable already keeps its chunk interval.
    """

    def __init__(self, table: str, time_column: str, chunk_time_interval: timedelta) -> None:
        self.table, self.time_column, self.chunk_time_interval = table, time_column, chunk_time_interval

    def steps(self, target: Target, *, app_label: str, state: Any) -> Iterable[Step]:
        standing = shapes.read_kind(target.connection, self.table)
        if target.edition.has_hypertables and standing and shapes.read_interval(target.connection, self.table) is None:
            rows = shapes.read_rows(target.connection, self.table)
            yield step_of_hypertable(self.table, rows=rows, interval=self.chunk_time_interval)

    def forwards(self, target: Target) -> Iterable[sql.Composable]:
        if target.edition.has_hypertables:
            yield sql.SQL(
                "SELECT create_hypertable({}, by_range({}, {}), create_default_indexes => false, "
                "if_not_exists => true, migrate_data => true)"
            ).format(regclass(self.table), sql.Literal(self.time_column), sql.Literal(self.chunk_time_interval))

    def backwards(self, target: Target) -> Iterable[sql.Composable]:
        return ()

    def describe(self) -> str:
        return f"Make {self.table} a hypertable on {self.time_column}, {spell(self.chunk_time_interval)} a chunk"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.table}_hypertable"


class RewriteWideChunks(TimescaleOperation):
    """Rewrites the chunks of a table that was a hypertable before, where they are wider than `chunk_time_interval`.

    TimescaleDB changes the width of chunks to come only. On a database that these migrations made it finds none.
    In one transaction, under an exclusive lock, with room for the rows twice. Backwards leaves the chunks: wide ones
    are what nothing can be compressed or dropped of in time.
    """

    not_here = "no chunk is wider"
    again = False

    def __init__(self, table: str, time_column: str, chunk_time_interval: timedelta) -> None:
        self.table, self.time_column, self.chunk_time_interval = table, time_column, chunk_time_interval

    def steps(self, target: Target, *, app_label: str, state: Any) -> Iterable[Step]:
        if wide := self._wide(target):
            rows = sum(chunk.rows for chunk in wide)
            yield step_of_wide_chunks(self.table, chunks=len(wide), rows=rows, interval=self.chunk_time_interval)

    def forwards(self, target: Target) -> Iterable[sql.Composable]:
        if wide := self._wide(target):
            columns = {column.name: column.type for column in shapes.read_columns(target.connection, self.table)}
            yield from adoption.rewrite_chunks(
                self.table,
                time_column=self.time_column,
                chunks=wide,
                interval=self.chunk_time_interval,
                is_date=columns[self.time_column] == "date",
            )

    def backwards(self, target: Target) -> Iterable[sql.Composable]:
        return ()

    def _wide(self, target: Target) -> list[shapes.Chunk]:
        chunks = shapes.read_chunks(target.connection, self.table)
        return [chunk for chunk in chunks if chunk.end - chunk.start > self.chunk_time_interval]

    def describe(self) -> str:
        return f"Rewrite chunks of {self.table} that are wider than {spell(self.chunk_time_interval)}"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.table}_wide_chunks"


class SetChunkTimeInterval(TimescaleOperation):
    """Changes the width of a hypertable's chunks to come. Reversible only where `previous` is given."""

    again = False

    def __init__(self, table: str, interval: timedelta, previous: timedelta | None = None) -> None:
        self.table, self.interval, self.previous = table, interval, previous
        self.reversible = previous is not None  # type: ignore[misc]  # Django reads it from the instance

    def forwards(self, target: Target) -> Iterable[sql.Composable]:
        return self._set(target, self.interval)

    def backwards(self, target: Target) -> Iterable[sql.Composable]:
        if self.previous is None:
            raise NotImplementedError(f"{self.describe()}: give `previous` to make it reversible.")
        return self._set(target, self.previous)

    def _set(self, target: Target, interval: timedelta) -> Iterable[sql.Composable]:
        if target.edition.has_hypertables:
            yield sql.SQL("SELECT set_chunk_time_interval({}, {})").format(regclass(self.table), sql.Literal(interval))

    def describe(self) -> str:
        return f"Make new chunks of {self.table} {spell(self.interval)} wide"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.table}_chunk_time_interval"


class EnableColumnstore(TimescaleOperation):
    """Lets chunks of a hypertable be compressed (Community). When they are is a policy's matter, not a migration's.

    Backwards removes the policy first (switching off leaves it behind, to fail at every run), then decompresses every
    chunk: with one compressed chunk the server refuses. On a large table that takes minutes and its full size on disk.
    """

    def __init__(self, table: str, *, segmentby: str = "", orderby: str = "") -> None:
        self.table, self.segmentby, self.orderby = table, segmentby, orderby

    def steps(self, target: Target, *, app_label: str, state: Any) -> Iterable[Step]:
        if target.edition is not Edition.COMMUNITY or not shapes.read_kind(target.connection, self.table):
            return
        by = f"segmentby {self.segmentby or 'nothing'}, orderby {self.orderby or 'nothing'}"
        if target.detection.installed is None or not catalog.read_columnstore_enabled(target.connection, self.table):
            yield Step(self.table, f"enable the columnstore, {by}", Lock.ALL)

    def forwards(self, target: Target) -> Iterable[sql.Composable]:
        if target.edition is not Edition.COMMUNITY:
            return
        # Switched on already: what it is segmented and ordered by is the policy row's matter, and may differ since.
        if target.printing or not catalog.read_columnstore_enabled(target.connection, self.table):
            yield commands.columnstore_settings(self.table, segmentby=self.segmentby, orderby=self.orderby)

    def backwards(self, target: Target) -> Iterable[sql.Composable]:
        if target.edition is not Edition.COMMUNITY:
            return
        if not target.printing and not catalog.read_columnstore_enabled(target.connection, self.table):
            return
        name = regclass(self.table)
        yield sql.SQL("CALL remove_columnstore_policy({}, if_exists => true)").format(name)
        yield sql.SQL("SELECT decompress_chunk(chunk, if_compressed => true) FROM show_chunks({}) AS chunk").format(
            name
        )
        off = sql.SQL("ALTER TABLE {} SET (timescaledb.enable_columnstore = false)")
        yield off.format(sql.Identifier(self.table))

    def describe(self) -> str:
        return f"Enable the columnstore of {self.table}"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.table}_columnstore"

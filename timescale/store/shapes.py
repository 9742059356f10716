"""Reads how a table or view that stands is made: columns, key, who reads it, chunks. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from timescale.engine.adoption import Column, Shape, WantedShape
from timescale.engine.edition import Edition
from timescale.engine.sizing import rows_of
from timescale.store.catalog import read_detection
from timescale.store.errors import naming

# to_regclass of a quoted name: the relation that an unqualified name means, whatever characters it has.
_RELATION = "SELECT oid, relkind::text FROM pg_class WHERE oid = to_regclass(quote_ident(%s))"
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_KEY = """
SELECT c.conname, (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
                   WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey))
FROM pg_constraint c WHERE c.conrelid = %s AND c.contype = 'p'
"""
# The views of a continuous aggregate that read the table are TimescaleDB's own: named as what they are.
_READERS = """
SELECT a.attname::text, array_agg(DISTINCT CASE WHEN v.relnamespace::regnamespace::text LIKE '\\_timescaledb%%'
                                                THEN 'a continuous aggregate' ELSE v.relname::text END)
FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = %s AND v.oid <> d.refobjid GROUP BY 1
"""
_SIZE = """
SELECT sum(pg_total_relation_size(c.oid))::bigint, sum(greatest(c.reltuples, 0))::bigint FROM pg_class c
WHERE c.oid = %s OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = %s)
"""
# What a chunk held when it was compressed: neither the planner nor the sizes above know of it.
_CHUNKS = """
SELECT c.range_start, c.range_end, c.is_compressed, pg_total_relation_size(p.oid), greatest(p.reltuples, 0)::bigint,
       coalesce(z.numrows_pre_compression, 0)
FROM timescaledb_information.chunks c
JOIN pg_class p ON p.oid = format('%%I.%%I', c.chunk_schema, c.chunk_name)::regclass
LEFT JOIN _timescaledb_catalog.compression_chunk_size z
  ON z.chunk_id = _timescaledb_functions.chunk_id_from_relid(p.oid)
WHERE c.hypertable_name = %s AND c.hypertable_schema = ANY (current_schemas(false)) ORDER BY c.range_start
"""
_DIMENSION = """
SELECT d.time_interval FROM timescaledb_information.dimensions d
WHERE d.hypertable_name = %s AND d.hypertable_schema = ANY (current_schemas(false)) AND d.dimension_number = 1
"""
_INDEXES = """
SELECT i.relname::text, x.indisvalid,
       (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(x.indkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum),
       (SELECT array_agg(o & 1 = 1 ORDER BY place) FROM unnest(x.indoption) WITH ORDINALITY AS u(o, place)),
       x.indpred IS NULL AND x.indexprs IS NULL AND NOT x.indisunique AND am.amname = 'btree'
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am am ON am.oid = i.relam
WHERE x.indrelid = to_regclass(quote_ident(%s)) ORDER BY 1
"""


@dataclass(frozen=True)
class Chunk:
    start: datetime
    end: datetime
    compressed: bool
    bytes: int  # without what is compressed
    rows_estimate: int  # the same
    compressed_rows: int

    @property
    def rows(self) -> int:
        """A guess, for a guess: see engine.sizing."""
        return rows_of(estimate=self.rows_estimate, size_bytes=self.bytes) + self.compressed_rows


@dataclass(frozen=True)
class Index:
    """`plain`: a btree over columns, without a predicate and not unique, which another of the same columns equals."""

    name: str
    valid: bool
    columns: tuple[tuple[str, bool], ...]  # name, and whether it descends
    plain: bool


def read_kind(connection: BaseDatabaseWrapper, name: str) -> str | None:
    """pg_class.relkind: r a table, v a view (a continuous aggregate too), m a materialized one; None is nothing."""
    found = _rows(connection, _RELATION, [name])
    return found[0][1] if found else None


def read_columns(connection: BaseDatabaseWrapper, name: str) -> tuple[Column, ...]:
    """Of a table or view, in order; empty where there is none."""
    found = _rows(connection, _RELATION, [name])
    return tuple(Column(*row) for row in _rows(connection, _COLUMNS, [found[0][0]])) if found else ()


def read_shape(connection: BaseDatabaseWrapper, wanted: WantedShape) -> Shape | None:
    """The table as it stands, or None. Reads all its rows once where its key is not the wanted one."""
    with naming(wanted.table):
        found = _rows(connection, _RELATION, [wanted.table])
        if not found:
            return None
        [(oid, _)] = found
        columns = tuple(Column(*row) for row in _rows(connection, _COLUMNS, [oid]))
        key_name, key = next(iter(_rows(connection, _KEY, [oid])), (None, ()))
        [(size, tuples)] = _rows(connection, _SIZE, [oid, oid])
        hypertable = read_interval(connection, wanted.table) is not None
        chunks = read_chunks(connection, wanted.table) if hypertable else ()
        names = {column.name for column in columns}
        compressed_rows = sum(chunk.compressed_rows for chunk in chunks)
        countable = set(key) != set(wanted.key) and names >= set(wanted.key)
        return Shape(
            table=wanted.table,
            columns=columns,
            key=tuple(key),
            key_name=key_name,
            readers={name: tuple(readers) for name, readers in _rows(connection, _READERS, [oid])},
            is_hypertable=hypertable,
            compressed_chunks=sum(chunk.compressed for chunk in chunks),
            compressed_rows=compressed_rows,
            rows=rows_of(estimate=tuples, size_bytes=size) + compressed_rows,
            bytes=size,
            clashing=_count_clashing(connection, wanted.table, wanted.key) if countable else 0,
        )


def read_interval(connection: BaseDatabaseWrapper, table: str) -> timedelta | None:
    """The width of a hypertable's chunks to come; None for every other table."""
    if read_detection(connection).edition is Edition.NONE:
        return None
    found = _rows(connection, _DIMENSION, [table])
    return found[0][0] if found else None


def read_chunks(connection: BaseDatabaseWrapper, table: str) -> tuple[Chunk, ...]:
    """Of a hypertable, oldest first."""
    if read_detection(connection).edition is Edition.NONE:
        return ()
    return tuple(Chunk(*row) for row in _rows(connection, _CHUNKS, [table]))


def read_indexes(connection: BaseDatabaseWrapper, table: str) -> tuple[Index, ...]:
    return tuple(
        Index(name, valid, tuple(zip(columns or (), descends or (), strict=False)), plain)
        for name, valid, columns, descends, plain in _rows(connection, _INDEXES, [table])
    )


def read_rows(connection: BaseDatabaseWrapper, table: str) -> int:
    """A guess, for a guess: see engine.sizing."""
    found = _rows(connection, _RELATION, [table])
    if not found:
        return 0
    [(size, tuples)] = _rows(connection, _SIZE, [found[0][0]] * 2)
    chunks = read_chunks(connection, table)
    return rows_of(estimate=tuples, size_bytes=size) + sum(chunk.compressed_rows for chunk in chunks)


def read_oldest(connection: BaseDatabaseWrapper, table: str, *, time_column: str) -> datetime | None:
    """The time of the oldest row, or midnight of its date; None without rows."""
    return _read_end(connection, table, time_column, sql.SQL("ASC"))


def read_newest(connection: BaseDatabaseWrapper, table: str, *, time_column: str) -> datetime | None:
    return _read_end(connection, table, time_column, sql.SQL("DESC"))


def _read_end(connection: BaseDatabaseWrapper, table: str, column: str, order: sql.SQL) -> datetime | None:
    query = sql.SQL("SELECT {c} FROM {t} ORDER BY {c} {order} LIMIT 1")
    with naming(table):
        found = _rows(connection, query.format(c=sql.Identifier(column), t=sql.Identifier(table), order=order))
    if not found or found[0][0] is None:
        return None
    end: datetime | date = found[0][0]
    if isinstance(end, datetime):
        return end if end.tzinfo else end.replace(tzinfo=UTC)
    return datetime(end.year, end.month, end.day, tzinfo=UTC)


def _count_clashing(connection: BaseDatabaseWrapper, table: str, key: Sequence[str]) -> int:
    columns = sql.SQL(", ").join(map(sql.Identifier, key))
    known = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(name)) for name in key)
    counted = sql.SQL(
        "SELECT coalesce(sum(CASE WHEN {known} THEN n - 1 ELSE n END), 0)::bigint "
        "FROM (SELECT {columns}, count(*) AS n FROM {table} GROUP BY {columns}) AS keys"
    )
    [(count,)] = _rows(connection, counted.format(known=known, columns=columns, table=sql.Identifier(table)))
    return int(count)


def _rows(connection: BaseDatabaseWrapper, query: Any, params: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return list(cursor.fetchall())

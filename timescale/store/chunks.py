"""Reads chunks: where they lie, how large they are, in which form; and what a bound would take. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from timescale.engine.chunks import Chunk
from timescale.store.errors import naming
from timescale.store.reading import moment, rows

CHUNKS_READ = 500  # of one table; a map of more would show nothing
COUNTED = 1_000_000  # rows of a plain table that a preview counts before it says "more than"

# Rows: see store.sizes.
# Bit 8 of a chunk's status is the only word for rows that came after it was compressed. A function tells its id: the
# columns that name a chunk are others from 2.29 on.
_CHUNKS = """
SELECT format('%%I.%%I', c.chunk_schema, c.chunk_name), c.range_start, c.range_end, c.is_compressed,
       COALESCE(k.status & 8 <> 0, false), s.total_bytes,
       (COALESCE(z.numrows_pre_compression, 0) + GREATEST(p.reltuples, 0))::bigint
FROM (SELECT * FROM timescaledb_information.chunks
      WHERE format('%%I.%%I', hypertable_schema, hypertable_name)::regclass = %s::regclass
      ORDER BY range_end DESC LIMIT %s) c
LEFT JOIN chunks_detailed_size(%s::regclass) s ON s.chunk_schema = c.chunk_schema AND s.chunk_name = c.chunk_name
LEFT JOIN pg_class p ON p.oid = to_regclass(format('%%I.%%I', c.chunk_schema, c.chunk_name))
LEFT JOIN _timescaledb_catalog.chunk k ON k.id = _timescaledb_functions.chunk_id_from_relid(p.oid)
LEFT JOIN _timescaledb_catalog.compression_chunk_size z ON z.chunk_id = k.id
ORDER BY c.range_start
"""
_DOOMED = """
SELECT count(*), sum(s.total_bytes)::bigint,
       CASE WHEN bool_and(z.chunk_id IS NOT NULL OR p.reltuples >= 0)
            THEN sum(COALESCE(z.numrows_pre_compression, 0) + GREATEST(p.reltuples, 0))::bigint END,
       max(c.range_end)
FROM timescaledb_information.chunks c
LEFT JOIN chunks_detailed_size(%s::regclass) s ON s.chunk_schema = c.chunk_schema AND s.chunk_name = c.chunk_name
LEFT JOIN pg_class p ON p.oid = to_regclass(format('%%I.%%I', c.chunk_schema, c.chunk_name))
LEFT JOIN _timescaledb_catalog.compression_chunk_size z
  ON z.chunk_id = _timescaledb_functions.chunk_id_from_relid(p.oid)
WHERE format('%%I.%%I', c.hypertable_schema, c.hypertable_name)::regclass = %s::regclass AND c.range_end <= %s
"""
_BACKLOG = """
SELECT w.name, count(*)
FROM unnest(%s::text[], %s::timestamptz[]) AS w(name, before)
JOIN timescaledb_information.chunks c
  ON c.hypertable_name = w.name AND c.hypertable_schema = ANY (current_schemas(false))
WHERE NOT c.is_compressed AND c.range_end <= w.before
GROUP BY w.name
"""


@dataclass(frozen=True)
class Doomed:
    """What lies wholly before a cutoff.

    `rows` is estimated for chunks (None: one was never analyzed), counted for a plain table, up to COUNTED.
    """

    chunks: int | None
    rows: int | None
    bytes: int | None
    up_to: datetime | None
    more: bool = False  # rows: at least that many


def read_chunks(connection: BaseDatabaseWrapper, relation: str) -> tuple[Chunk, ...]:
    """The newest CHUNKS_READ, oldest of them first. `relation` is quoted, an aggregate's materialization."""
    with naming(relation):
        return tuple(Chunk(*row) for row in rows(connection, _CHUNKS, [relation, CHUNKS_READ, relation]))


def read_doomed_chunks(connection: BaseDatabaseWrapper, relation: str, *, cutoff: datetime | date) -> Doomed:
    with naming(relation):
        [(chunks, size, estimate, up_to)] = rows(connection, _DOOMED, [relation, relation, moment(cutoff)])
    return Doomed(chunks, estimate if chunks else 0, size if chunks else 0, up_to)


def read_doomed_rows(
    connection: BaseDatabaseWrapper, table: str, *, time_column: str, cutoff: datetime | date
) -> Doomed:
    """Of a plain table; what its rows take is estimated from the whole."""
    kind = sql.SQL("timestamptz" if isinstance(cutoff, datetime) else "date")
    statement = sql.SQL(
        "SELECT (SELECT count(*) FROM (SELECT 1 FROM {t} WHERE {c} < %s::{k} LIMIT {n}) x), "
        "reltuples::bigint, pg_total_relation_size(oid) FROM pg_class WHERE oid = quote_ident(%s)::regclass"
    ).format(t=sql.Identifier(table), c=sql.Identifier(time_column), k=kind, n=sql.Literal(COUNTED + 1))
    with naming(table):
        [(gone, estimate, size)] = rows(connection, statement, [cutoff, table])
    more = gone > COUNTED
    share = int(size * min(gone / estimate, 1)) if estimate > 0 and not more else None
    return Doomed(None, min(gone, COUNTED), share if gone else 0, None, more)


def read_backlog(connection: BaseDatabaseWrapper, before: Mapping[str, datetime]) -> dict[str, int]:
    """How many chunks of each table end before that moment and are not compressed."""
    with naming("the chunks to compress"):
        return dict(rows(connection, _BACKLOG, [list(before), list(before.values())])) if before else {}

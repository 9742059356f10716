"""Reads how large tables and aggregates are, how old their rows, and how far a refresh has come. Changes nothing.

Two queries for any number of relations: a page that asks every few seconds must not cost more with every table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from timescale.engine.drift import Hypertable
from timescale.store.catalog import Catalog
from timescale.store.errors import naming
from timescale.store.reading import moment, rows

# Of a compressed chunk the catalogue knows how many rows went in; approximate_row_count says 0 until an ANALYZE of what
# they became (none came within an hour). What is not compressed is as many as the last ANALYZE found.
# What the sizes of the columnstore count is in those of the hypertable too: taken off there, all four add up.
_HYPERTABLE_SIZES = """
SELECT r.name, s.table_bytes, s.index_bytes, s.toast_bytes, s.total_bytes,
       w.estimate,
       c.before_compression_total_bytes, c.after_compression_total_bytes,
       c.after_compression_table_bytes, c.after_compression_index_bytes, c.after_compression_toast_bytes
FROM unnest(%s::text[]) AS r(name)
CROSS JOIN LATERAL hypertable_detailed_size(r.name::regclass) s
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(COALESCE(z.numrows_pre_compression, 0) + GREATEST(p.reltuples, 0)), 0)::bigint AS estimate
    FROM show_chunks(r.name::regclass) k(chunk)
    JOIN pg_class p ON p.oid = k.chunk
    LEFT JOIN _timescaledb_catalog.compression_chunk_size z
      ON z.chunk_id = _timescaledb_functions.chunk_id_from_relid(p.oid)
) w
LEFT JOIN LATERAL hypertable_columnstore_stats(r.name::regclass) c ON true
"""
_PLAIN_SIZES = """
SELECT r.name, pg_table_size(c.oid) - COALESCE(pg_total_relation_size(NULLIF(c.reltoastrelid, 0)), 0),
       pg_indexes_size(c.oid), COALESCE(pg_total_relation_size(NULLIF(c.reltoastrelid, 0)), 0),
       pg_total_relation_size(c.oid), c.reltuples::bigint, NULL, NULL, NULL, NULL, NULL
FROM unnest(%s::text[]) AS r(name) JOIN pg_class c ON c.oid = to_regclass(r.name)
"""
_WATERMARKS = """
SELECT c.view_name, w.mark
FROM timescaledb_information.continuous_aggregates c
JOIN _timescaledb_catalog.hypertable h
  ON h.schema_name = c.materialization_hypertable_schema AND h.table_name = c.materialization_hypertable_name
CROSS JOIN LATERAL (SELECT _timescaledb_functions.cagg_watermark(h.id) AS mark) w
WHERE c.view_schema = ANY (current_schemas(false))
"""
_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Sizes:
    """None where the server can't say. The four parts add up to `bytes`."""

    bytes: int | None = None
    table_bytes: int | None = None
    index_bytes: int | None = None
    toast_bytes: int | None = None
    columnstore_bytes: int | None = None  # None also where nothing is compressed
    rows_estimate: int | None = None
    before_bytes: int | None = None  # what the compressed chunks took before
    after_bytes: int | None = None

    @property
    def saved_ratio(self) -> float | None:
        return 1 - self.after_bytes / self.before_bytes if self.before_bytes and self.after_bytes is not None else None


@dataclass(frozen=True)
class Ages:
    """Both None is an empty table."""

    oldest_at: datetime | None
    newest_at: datetime | None


def read_sizes(
    connection: BaseDatabaseWrapper, *, hypertables: Mapping[str, str], plain: Mapping[str, str]
) -> dict[str, Sizes]:
    """By name; the values are the relations to measure, quoted. An aggregate is measured at its materialization."""
    found: dict[str, Sizes] = {}
    with naming("the sizes of the tables"):
        for query, asked in ((_HYPERTABLE_SIZES, hypertables), (_PLAIN_SIZES, plain)):
            if asked:
                names = {relation: name for name, relation in asked.items()}
                found |= {names[relation]: _sizes(*row) for relation, *row in rows(connection, query, [list(names)])}
    return found


def _sizes(
    table: int | None,
    index: int | None,
    toast: int | None,
    total: int | None,
    estimate: int,
    before: int | None,
    after: int | None,
    after_table: int | None,
    after_index: int | None,
    after_toast: int | None,
) -> Sizes:
    return Sizes(
        bytes=total,
        table_bytes=_less(table, after_table),
        index_bytes=_less(index, after_index),
        toast_bytes=_less(toast, after_toast),
        columnstore_bytes=int(after) if after is not None else None,
        # -1 (0 on a hypertable) is PostgreSQL's word for "never analyzed".
        rows_estimate=int(estimate) if estimate > 0 else None,
        before_bytes=int(before) if before is not None else None,
        after_bytes=int(after) if after is not None else None,
    )


def _less(whole: int | None, part: int | None) -> int | None:
    return None if whole is None else max(int(whole) - int(part or 0), 0)


def read_ages(
    connection: BaseDatabaseWrapper, columns: Mapping[str, str], *, hypertables: Mapping[str, Hypertable]
) -> dict[str, Ages]:
    """The oldest and the newest row by table; `columns` is the time column of each. Raises for all of them at once.

    Of a hypertable in its first and its last chunk: planning over every chunk took a third of a second, for 71.
    """
    found = _ages(connection, columns, hypertables)
    # A first chunk can be empty: rows were deleted one by one.
    elsewhere = {
        table: columns[table]
        for table, ages in found.items()
        if None in (ages.oldest_at, ages.newest_at) and table in hypertables and hypertables[table].chunks
    }
    return found | _ages(connection, elsewhere, {})


def _ages(
    connection: BaseDatabaseWrapper, columns: Mapping[str, str], hypertables: Mapping[str, Hypertable]
) -> dict[str, Ages]:
    if not columns:
        return {}
    one = sql.SQL(
        "SELECT {name}::text, (SELECT {c}::timestamp::text FROM {t} {until} ORDER BY {c} LIMIT 1), "
        "(SELECT {c}::timestamp::text FROM {t} {since} ORDER BY {c} DESC LIMIT 1)"
    )
    asked = []
    for table, column in columns.items():
        hypertable, c = hypertables.get(table), sql.Identifier(column)
        until = since = sql.Composed([])
        if hypertable is not None and hypertable.first_chunk_end and hypertable.last_chunk_start:
            until = sql.SQL("WHERE {} < {}").format(c, sql.Literal(hypertable.first_chunk_end))
            since = sql.SQL("WHERE {} >= {}").format(c, sql.Literal(hypertable.last_chunk_start))
        asked.append(one.format(name=sql.Literal(table), c=c, t=sql.Identifier(table), until=until, since=since))
    with naming("the oldest rows" if len(columns) > 1 else next(iter(columns))):
        return {
            table: Ages(*(moment(datetime.fromisoformat(text)) if text else None for text in (oldest, newest)))
            for table, oldest, newest in rows(connection, sql.SQL(" UNION ALL ").join(asked))
        }


def read_watermarks(connection: BaseDatabaseWrapper) -> dict[str, datetime | None]:
    """Up to where each continuous aggregate has been refreshed; None: never."""
    with naming("the watermarks"):
        found = rows(connection, _WATERMARKS)
    # Before the first refresh the mark is the beginning of PostgreSQL's time, which no Python datetime can be.
    return {view: datetime.fromtimestamp(mark / _MICROSECONDS, tz=UTC) if mark > 0 else None for view, mark in found}


def read_first_since(
    connection: BaseDatabaseWrapper, asked: Mapping[str, tuple[str, str, datetime]]
) -> dict[str, datetime | None]:
    """The first row at or after a moment, by name; asked with the relation, quoted, its time column and the moment."""
    one = sql.SQL(
        "SELECT {name}::text, (SELECT {c}::timestamp::text FROM {t} WHERE {c} >= {since} ORDER BY {c} LIMIT 1)"
    )
    queries = [
        one.format(name=sql.Literal(name), c=sql.Identifier(column), t=sql.SQL(relation), since=sql.Literal(since))
        for name, (relation, column, since) in asked.items()
    ]
    if not queries:
        return {}
    with naming("the rows that aggregates have not read"):
        found = rows(connection, sql.SQL(" UNION ALL ").join(queries))
    return {name: moment(datetime.fromisoformat(text)) if text else None for name, text in found}


def measure(
    connection: BaseDatabaseWrapper, seen: Catalog, *, tables: Iterable[str], views: Iterable[str]
) -> dict[str, Sizes]:
    """Sizes by name of those that exist; a plain view has none."""
    known = [name for name in tables if name in seen.columns]
    hypertables = {name: f'"{name}"' for name in known if name in seen.hypertables}
    plain = {name: f'"{name}"' for name in known if name not in seen.hypertables}
    for name in views:
        view = seen.views.get(name)
        if view is not None and view.continuous:
            hypertables[name] = view.materialization
    return read_sizes(connection, hypertables=hypertables, plain=plain)

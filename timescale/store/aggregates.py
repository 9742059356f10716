"""Reads how far an aggregate reaches and what it missed, and refreshes a window. Decides nothing: engine.refreshing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from timescale.engine.refreshing import Missed, Window
from timescale.store.errors import RelationMissing, naming
from timescale.store.reading import rows

_MATERIALIZATION = """
SELECT materialization_hypertable_schema, materialization_hypertable_name
FROM timescaledb_information.continuous_aggregates
WHERE view_name = %s AND view_schema = ANY (current_schemas(false))
"""
# The server's own notes of what changed since it was refreshed: those of a source's writers, and what earlier refreshes
# took over of them for each aggregate. What was never refreshed is noted from the beginning of time on. Both also tell
# of what was dropped, hence only the chunks that stand. In microseconds; the end is the last one that changed.
_INVALID = """
WITH invalid AS (
    SELECT a.user_view_name AS view, a.raw_hypertable_id AS source, l.lowest_modified_value AS low,
           l.greatest_modified_value AS high
    FROM _timescaledb_catalog.continuous_agg a
    JOIN (SELECT materialization_id, lowest_modified_value, greatest_modified_value
          FROM _timescaledb_catalog.continuous_aggs_materialization_invalidation_log) l
      ON l.materialization_id = a.mat_hypertable_id
    WHERE a.user_view_schema = ANY (current_schemas(false))
    UNION ALL
    SELECT a.user_view_name, a.raw_hypertable_id, l.lowest_modified_value, l.greatest_modified_value
    FROM _timescaledb_catalog.continuous_agg a
    JOIN _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log l ON l.hypertable_id = a.raw_hypertable_id
    WHERE a.user_view_schema = ANY (current_schemas(false))
), standing AS (
    SELECT h.id AS source, (extract(epoch FROM c.range_start) * 1000000)::bigint AS low,
           (extract(epoch FROM c.range_end) * 1000000)::bigint AS until
    FROM timescaledb_information.chunks c
    JOIN _timescaledb_catalog.hypertable h ON h.schema_name = c.hypertable_schema AND h.table_name = c.hypertable_name
    WHERE c.range_start IS NOT NULL
)
SELECT w.view, min(GREATEST(i.low, s.low)), max(LEAST(i.high, s.until - 1))
FROM unnest(%s::text[], %s::timestamptz[]) AS w(view, before)
JOIN invalid i ON i.view = w.view
JOIN standing s ON s.source = i.source AND i.low < s.until AND i.high >= s.low
WHERE GREATEST(i.low, s.low) < (extract(epoch FROM w.before) * 1000000)::bigint
GROUP BY w.view, s.low ORDER BY s.low, w.view
LIMIT %s
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Held:
    """The oldest and the newest bucket that are materialized; without what a query adds from the source."""

    oldest: datetime | None
    newest: datetime | None


def read_held(connection: BaseDatabaseWrapper, view: str, *, bucket_column: str = "bucket") -> Held:
    """Raises RelationMissing where no continuous aggregate has the name."""
    with naming(view), connection.cursor() as cursor:
        cursor.execute(_MATERIALIZATION, [view])
        found = cursor.fetchone()
        if found is None:
            raise RelationMissing(view, "No continuous aggregate has this name.")
        # Each opens one chunk; min() and max() of a hypertable plan over all of them.
        ends = sql.SQL(
            "SELECT (SELECT {c} FROM {t} ORDER BY {c} LIMIT 1), (SELECT {c} FROM {t} ORDER BY {c} DESC LIMIT 1)"
        )
        cursor.execute(ends.format(c=sql.Identifier(bucket_column), t=sql.Identifier(*found)))
        return Held(*cursor.fetchone())


def refresh(connection: BaseDatabaseWrapper, view: str, window: Window) -> None:
    """Computes what changed in the window anew. Not in a transaction: the server refuses (25001)."""
    with naming(view), connection.cursor() as cursor:
        cursor.execute(
            "CALL refresh_continuous_aggregate(quote_ident(%s)::regclass, %s::timestamptz, %s::timestamptz)",
            [view, window.start, window.end],
        )


def read_invalid(
    connection: BaseDatabaseWrapper, before: Mapping[str, datetime], *, limit: int
) -> tuple[tuple[str, datetime, datetime], ...]:
    """What changed since the aggregates read it, a line a chunk of what they read, oldest first: view, from, to.

    Of each only what begins before the moment given with it; `limit` lines.
    """
    with naming("what the aggregates have not read"):
        found = rows(connection, _INVALID, [list(before), list(before.values()), limit])
    return tuple((view, _moment(low), _moment(high)) for view, low, high in found)


def read_missed(
    connection: BaseDatabaseWrapper, asked: Sequence[tuple[str, str, str, str, timedelta, Window]]
) -> tuple[Missed, ...]:
    """What stands in each window: asked with the view, its materialization, its source, both quoted, the source's time
    column and the width of a bucket. One query for all of them.
    """
    one = sql.SQL(
        "SELECT EXISTS (SELECT FROM {s} WHERE {c} >= {a} AND {c} < {b}), "
        "EXISTS (SELECT FROM {m} WHERE bucket >= {a} AND bucket < {b}), "
        # Both by constant bounds, which leave a chunk of each to look at; and only where something is held.
        "CASE WHEN EXISTS (SELECT FROM {m} WHERE bucket >= {a} AND bucket < {b}) THEN "
        "EXISTS (SELECT bucket FROM {m} WHERE bucket >= {a} AND bucket < {b} "
        "EXCEPT SELECT time_bucket({w}, {c}) FROM {s} WHERE {c} >= {a} AND {c} < {b}) ELSE false END"
    )
    queries = [
        one.format(
            s=sql.SQL(source),
            m=sql.SQL(materialization),
            c=sql.Identifier(column),
            a=sql.Literal(window.start),
            b=sql.Literal(window.end),
            w=sql.Literal(width),
        )
        for _, materialization, source, column, width, window in asked
    ]
    if not queries:
        return ()
    with naming("what the aggregates have not read"):
        found = rows(connection, sql.SQL(" UNION ALL ").join(queries))
    return tuple(
        Missed(view, window, rows=there, held=held, alone=alone)
        for (view, *_, window), (there, held, alone) in zip(asked, found, strict=True)
    )


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)

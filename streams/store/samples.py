"""Reads and thins samples in single statements, for many streams at once. Judges none; see engine.samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from streams.store.rows import Connection

# Batches, because one DELETE of a million rows holds its locks and its WAL for as long as it takes.
_THIN = """
    DELETE FROM streams_streamsample WHERE id IN (
        SELECT id FROM streams_streamsample WHERE mark = %s AND at < %s ORDER BY at LIMIT %s)
"""
_CUT = """
    DELETE FROM streams_streamsample WHERE id IN (
        SELECT id FROM streams_streamsample ORDER BY mark, at LIMIT %s)
"""
# As columns: a row a stream, not a row a sample. The minutes come from an index of their own.
_RECENT = """
    SELECT stream,
           array_agg(at_s ORDER BY at_s), array_agg(length ORDER BY at_s), array_agg(bytes ORDER BY at_s),
           array_agg(entries_added ORDER BY at_s), (array_agg(first_id ORDER BY at_s DESC))[1],
           '[' || string_agg('[' || at_s || ',' || groups || ']', ',' ORDER BY at_s) || ']'
    FROM (SELECT stream, length, bytes, entries_added, first_id, extract(epoch FROM at)::float8 AS at_s,
                 CASE WHEN at >= %s THEN groups::text END AS groups  -- most of a row: it should not be sorted along
          FROM streams_streamsample
          WHERE stream = ANY(%s) AND (mark >= 60 AND at >= %s AND at < %s OR at >= %s AND at <= %s)
          OFFSET 0) AS hour  -- which keeps the two SELECTs apart
    GROUP BY stream
"""
_LAST_TICK = """
    SELECT max(newest) FROM (SELECT (SELECT max(at) FROM streams_streamsample WHERE mark = m.mark) AS newest
                             FROM unnest(%s::smallint[]) AS m (mark)) AS marks
"""
# One lookup in the index (stream, at) for each moment asked about, all in one query.
_NEAR = """
    SELECT asked.n, found.at, found.length, found.bytes
    FROM unnest(%s::int[], %s::text[], %s::timestamptz[], %s::timestamptz[]) AS asked (n, stream, after, until)
    CROSS JOIN LATERAL (
        SELECT at, length, bytes FROM streams_streamsample
        WHERE stream = asked.stream AND at > asked.after AND at <= asked.until ORDER BY at DESC LIMIT 1) AS found
"""
# A tick's samples share their time.
_NEWEST = """
    SELECT stream, length, bytes, first_id, groups::text FROM streams_streamsample
    WHERE mark = ANY(%(marks)s) AND at >= %(since)s AND at = (
        SELECT max(newest) FROM (
            SELECT (SELECT max(at) FROM streams_streamsample WHERE mark = m.mark AND at <= %(now)s) AS newest
            FROM unnest(%(marks)s::smallint[]) AS m (mark)) AS marks)
"""
_HOUR = """
    SELECT extract(epoch FROM at)::float8, CASE WHEN bool_and(bytes IS NOT NULL) THEN sum(bytes) END
    FROM streams_streamsample
    WHERE mark = ANY(%(marks)s) AND at >= %(since)s AND at <= %(now)s GROUP BY at ORDER BY at
"""


def delete_samples(connection: Connection, *, mark: int, before: datetime, most: int) -> int:
    """Returns how many went."""
    return _deleted(connection, _THIN, (mark, before, most))


def delete_finest_samples(connection: Connection, *, most: int) -> int:
    """Of the finest the oldest first; returns how many went."""
    return _deleted(connection, _CUT, (most,))


def read_recent_samples(
    connection: Connection, streams: Sequence[str], *, hour: datetime, fine: datetime, recent: datetime, now: datetime
) -> list[tuple[Any, ...]]:
    """(stream, times, lengths, bytes, entries added, first id, groups as JSON) of each.

    From `hour` to `fine` one sample a minute, after that all; groups only from `recent` on.
    """
    return _rows(connection, _RECENT, (recent, streams, hour, fine, fine, now))


def read_newest_samples(
    connection: Connection, marks: Sequence[int], *, since: datetime, now: datetime
) -> list[tuple[Any, ...]]:
    """(stream, length, bytes, first id, groups as JSON) of each at the last tick, if that was after `since`."""
    return _rows(connection, _NEWEST, {"marks": marks, "since": since, "now": now})


def read_bytes_of_all(
    connection: Connection, marks: Sequence[int], *, since: datetime, now: datetime
) -> list[tuple[Any, ...]]:
    """(at, in seconds since 1970, bytes of all streams, None where one of them is unknown) of each tick."""
    return _rows(connection, _HOUR, {"marks": marks, "since": since, "now": now})


def read_last_tick(connection: Connection, marks: Sequence[int]) -> datetime | None:
    found: datetime | None = _rows(connection, _LAST_TICK, (marks,))[0][0]
    return found


def read_samples_near(
    connection: Connection, streams: Sequence[str], *, after: Sequence[datetime], until: Sequence[datetime]
) -> list[tuple[Any, ...]]:
    """(place in the question, at, length, bytes) of each question's last sample within; those without are missing."""
    return _rows(connection, _NEAR, (list(range(len(streams))), streams, after, until))


def _rows(connection: Connection, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _deleted(connection: Connection, statement: str, values: Sequence[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)

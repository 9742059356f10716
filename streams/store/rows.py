"""Writes many rows in one statement, where the ORM takes several times as long as PostgreSQL. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from psycopg import sql

# A Django connection, whose cursor takes psycopg's statements; nothing in stores imports Django.
Connection = Any
Move = tuple[int, datetime | None, datetime | None]  # a stream's row, and its due_at before and after

# A row that an edit is just writing is left alone, and so is one that it has written: its NULL must stay.
_MOVE = """
    WITH free AS MATERIALIZED (
        SELECT id FROM streams_stream WHERE id = ANY(%(ids)s::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED)
    UPDATE streams_stream AS stream SET due_at = move.after
    FROM free JOIN json_to_recordset(%(moves)s) AS move (id bigint, before timestamptz, after timestamptz) USING (id)
    WHERE stream.id = move.id AND stream.due_at IS NOT DISTINCT FROM move.before
    RETURNING stream.id
"""
_HOLD = """
    UPDATE streams_stream AS stream SET held_by = held.by
    FROM unnest(%s::bigint[], %s::text[]) AS held (id, by) WHERE stream.id = held.id
"""
# One statement is as good as a transaction, in a round trip instead of five.
_RECORD = """
    WITH added AS (
        INSERT INTO streams_trimrun ({columns})
        SELECT {columns} FROM json_populate_recordset(NULL::streams_trimrun, %(runs)s))
    INSERT INTO streams_enforcement AS known (id, trims, trimmed, forced, bytes_trimmed)
    VALUES (1, %(trims)s, %(trimmed)s, %(forced)s, %(bytes)s)
    ON CONFLICT (id) DO UPDATE SET
        trims = known.trims + excluded.trims, trimmed = known.trimmed + excluded.trimmed,
        forced = known.forced + excluded.forced, bytes_trimmed = known.bytes_trimmed + excluded.bytes_trimmed,
        under_way = known.under_way - %(done)s::text[]
"""
_BEGIN = """
    INSERT INTO streams_enforcement AS known (id, under_way) VALUES (1, %s::jsonb)
    ON CONFLICT (id) DO UPDATE SET under_way = known.under_way || excluded.under_way RETURNING under_way::text
"""
_TRIMS = "SELECT (SELECT max(id) FROM streams_trimrun), (SELECT under_way::text FROM streams_enforcement WHERE id = 1)"


def move_due(connection: Connection, moves: Sequence[Move]) -> set[int]:
    """Moves each row's due_at on, where it still is what it was before; returns the ids of those."""
    if not moves:
        return set()
    rows = [{"id": id, "before": before, "after": after} for id, before, after in moves]
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, {"ids": [move[0] for move in moves], "moves": _json(rows)})
        return {row[0] for row in cursor.fetchall()}


def set_holders(connection: Connection, holders: Mapping[int, str]) -> None:
    """A stream's row → the group that holds it; empty: none does."""
    if holders:
        with connection.cursor() as cursor:
            cursor.execute(_HOLD, (list(holders), list(holders.values())))


def begin_trims(connection: Connection, batch: str, begun: Mapping[str, Any]) -> dict[str, Any]:
    """Notes a batch of trims as under way; returns the notes of all that are."""
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, (json.dumps({batch: begun}),))
        found: dict[str, Any] = json.loads(cursor.fetchone()[0])
        return found


def read_trims(connection: Connection) -> tuple[int, dict[str, Any]]:
    """The id of the newest run, 0 without any; and what begin_trims noted and record_trims did not end."""
    with connection.cursor() as cursor:
        cursor.execute(_TRIMS)
        newest, under_way = cursor.fetchone()
        return newest or 0, json.loads(under_way or "{}")


def record_trims(
    connection: Connection,
    runs: Sequence[Mapping[str, Any]],
    *,
    columns: Sequence[str],
    totals: Mapping[str, int],
    done: Sequence[str],
) -> None:
    """Adds the runs, which have a value for each of `columns`, adds to the totals, and ends these batches.

    `totals`: trims, trimmed, forced, bytes.
    """
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    with connection.cursor() as cursor:
        values = {"runs": _json(list(runs)), "done": list(done), **totals}
        cursor.execute(sql.SQL(_RECORD).format(columns=names), values)


def _json(rows: list[Any]) -> str:
    return json.dumps(rows, default=lru_cache(datetime.isoformat))  # most rows of a sweep have the same times

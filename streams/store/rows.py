"""Writes many rows in one statement, where the ORM takes several times as long as PostgreSQL. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
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
_INSERT = "INSERT INTO {table} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{table}, %s)"


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


def insert(connection: Connection, table: str, rows: Collection[Mapping[str, Any]]) -> None:
    """Each row has a value for the same columns; those it does not name get their default."""
    if not rows:
        return
    statement = sql.SQL(_INSERT).format(
        table=sql.Identifier(table), columns=sql.SQL(", ").join(map(sql.Identifier, next(iter(rows))))
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, (_json(list(rows)),))


def _json(rows: list[Any]) -> str:
    return json.dumps(rows, default=datetime.isoformat)

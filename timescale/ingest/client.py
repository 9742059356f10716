"""Writes many rows at once, on a connection of the caller's. All of a call's rows go in, or none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import psycopg
from psycopg import sql

from timescale.ingest import dumpers
from timescale.ingest.errors import naming
from timescale.ingest.tables import Table

Row = Sequence[Any]


def copy_rows(connection: psycopg.Connection[Any], table: Table, rows: Iterable[Row]) -> int:
    """COPY, the fastest way in; how many rows. A dict is written as jsonb, a list as an array.

    Raises DuplicateRows where a key is there already, and IngestError.
    """
    with naming(table.name), connection.cursor() as cursor:
        dumpers.register(cursor)
        return _copy(cursor, table.copy, rows)


def merge_rows(connection: psycopg.Connection[Any], table: Table, rows: Iterable[Row], *, replace: bool = False) -> int:
    """The same where keys may be there already: after a retry, or because a row is written again as it grows.

    A row that is there stays, or with `replace` becomes the new one. Answers how many went in or were replaced.
    Raises IngestError. Without autocommit the caller's transaction is neither begun nor ended for it.
    """
    with naming(table.name), _inside(connection), connection.cursor() as cursor:
        dumpers.register(cursor)
        cursor.execute(table.stage)
        cursor.execute(table.clear)
        _copy(cursor, table.copy_staged, rows)
        cursor.execute(table.merge(replace=replace))
        return cursor.rowcount


def _inside(connection: psycopg.Connection[Any]) -> AbstractContextManager[psycopg.Transaction]:
    """A transaction, or a savepoint in the caller's. psycopg would commit the first block of one not yet begun."""
    if not connection.autocommit:
        connection.execute("SELECT 1")
    return connection.transaction()


def _copy(cursor: psycopg.Cursor[Any], statement: sql.Composed, rows: Iterable[Row]) -> int:
    count = 0
    with cursor.copy(statement) as copy:
        write = copy.write_row
        for row in rows:
            write(row)
            count += 1
    return count

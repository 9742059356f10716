"""The same two for asyncio: psycopg's AsyncConnection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from timescale.ingest import dumpers
from timescale.ingest.client import Row
from timescale.ingest.errors import naming
from timescale.ingest.tables import Table


async def copy_rows(connection: psycopg.AsyncConnection[Any], table: Table, rows: Iterable[Row]) -> int:
    """See timescale.ingest.copy_rows."""
    with naming(table.name):
        async with connection.cursor() as cursor:
            dumpers.register(cursor)
            return await _copy(cursor, table.copy, rows)


async def merge_rows(
    connection: psycopg.AsyncConnection[Any], table: Table, rows: Iterable[Row], *, replace: bool = False
) -> int:
    """See timescale.ingest.merge_rows."""
    with naming(table.name):
        if not connection.autocommit:
            await connection.execute("SELECT 1")  # see client._inside
        async with connection.transaction(), connection.cursor() as cursor:
            dumpers.register(cursor)
            await cursor.execute(table.stage)
            await cursor.execute(table.clear)
            await _copy(cursor, table.copy_staged, rows)
            await cursor.execute(table.merge(replace=replace))
            return cursor.rowcount


async def _copy(cursor: psycopg.AsyncCursor[Any], statement: sql.Composed, rows: Iterable[Row]) -> int:
    count = 0
    async with cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row(row)
            count += 1
    return count

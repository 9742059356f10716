"""What a write can end with: both name the table, and carry the driver's error as their cause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


class IngestError(Exception):
    """PostgreSQL refused the rows, or is away. None of this call's rows is in the table."""

    def __init__(self, table: str, why: str) -> None:
        super().__init__(f"{table}: {why}")
        self.table = table


class DuplicateRows(IngestError):
    """A row's key is in the table already, or twice among the rows: merge_rows takes those."""


@contextmanager
def naming(table: str) -> Iterator[None]:
    """Inside, a driver's error becomes an IngestError about `table`."""
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        raise DuplicateRows(table, error.diag.message_detail or str(error)) from error
    except psycopg.Error as error:
        said = str(error).strip().splitlines()
        raise IngestError(table, said[0] if said else type(error).__name__) from error

"""Runs a query and answers its rows; says which moment a date or a time is. Knows no table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper


@contextmanager
def alone(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """A statement that fails in here leaves later ones working. Costs no statement outside of a transaction."""
    if connection.in_atomic_block:
        with transaction.atomic(using=connection.alias):
            yield
        return
    try:
        yield
    except Exception:
        connection.close_if_unusable_or_obsolete()  # an extension that is not preloaded ends the session
        raise


def rows(connection: BaseDatabaseWrapper, query: Any, params: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return list(cursor.fetchall())


def moment(value: datetime | date) -> datetime:
    """A date is the beginning of its day in UTC, as TimescaleDB counts it."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value, time(), tzinfo=UTC)

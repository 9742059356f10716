"""Lets one process at a time do a named piece of work. Holds no state of its own: PostgreSQL does."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection

# Advisory locks share one number space per database; the first of the two numbers is ours.
_SPACE = 0x7AD
_UNLOCK = "SELECT pg_advisory_unlock(%s, %s)"
_WAIT = "SELECT pg_advisory_lock(%s, %s)"
_WAIT_IN_TRANSACTION = "SELECT pg_advisory_xact_lock(%s, %s)"
_TRY = "SELECT pg_try_advisory_lock(%s, %s)"


@contextmanager
def in_turn(name: str) -> Iterator[None]:
    """Waits until nobody else holds `name`, and holds it. Whoever does is to be done within seconds."""
    key = _key(name)
    with connection.cursor() as cursor:
        cursor.execute(_WAIT, key)
    try:
        yield
    finally:
        _unlock(key)


def until_commit(name: str) -> None:
    """Waits until nobody else holds `name`, and holds it until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(_WAIT_IN_TRANSACTION, _key(name))


@contextmanager
def one_at_a_time(name: str) -> Iterator[bool]:
    """Yields True to the one who holds `name`, False to everyone else; never waits.

    The lock lives in this thread's database session: a killed process frees it at once, and there is no
    lifetime to outlive. A session that was lost in between has freed it already.
    """
    key = _key(name)
    with connection.cursor() as cursor:
        cursor.execute(_TRY, key)
        held = bool(cursor.fetchone()[0])
    try:
        yield held
    finally:
        if held:
            _unlock(key)


def _key(name: str) -> tuple[int, int]:
    return _SPACE, zlib.crc32(name.encode()) & 0x7FFFFFFF


def _unlock(key: tuple[int, int]) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(_UNLOCK, key)
    except DatabaseError:
        connection.close()

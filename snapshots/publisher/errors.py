"""Everything that can go wrong when snapshots are published or read, in one tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from snapshots.engine.errors import ChainBroken, DocumentUnreadable, SnapshotError, Unpublishable


class StoreError(SnapshotError):
    """Redis and this snapshot; the message names which."""


class StoreUnavailable(StoreError):
    """Redis does not answer."""


class StoreRefused(StoreError):
    """Redis answered with an error: out of memory, a key of another type."""


class WriterRefused(StoreError):
    """Somebody else is writing this snapshot."""


class ChainMoved(StoreError):
    """What is in Redis is not what this writer wrote last; the next document must be a full."""


class NothingPublished(StoreError):
    """There is no snapshot of this name, or it expired."""


@contextmanager
def redis_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        raise StoreUnavailable(f"snapshot {name}: Redis does not answer: {error}") from error
    except redis.RedisError as error:
        raise StoreRefused(f"snapshot {name}: Redis refused: {error}") from error


__all__ = [
    "ChainBroken",
    "ChainMoved",
    "DocumentUnreadable",
    "NothingPublished",
    "SnapshotError",
    "StoreError",
    "StoreRefused",
    "StoreUnavailable",
    "Unpublishable",
    "WriterRefused",
    "redis_errors",
]

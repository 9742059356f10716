"""Publishes snapshots to Redis and reads them. For other services: needs no Django; what it needs is in README.md."""

from snapshots.publisher._read import Followed, Lag
from snapshots.publisher.aio import SnapshotManager
from snapshots.publisher.errors import (
    ChainBroken,
    ChainMoved,
    DocumentUnreadable,
    NothingPublished,
    SnapshotError,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    Unpublishable,
    WriterRefused,
)
from snapshots.publisher.sync import SnapshotReader

__all__ = [
    "ChainBroken",
    "ChainMoved",
    "DocumentUnreadable",
    "Followed",
    "Lag",
    "NothingPublished",
    "SnapshotError",
    "SnapshotManager",
    "SnapshotReader",
    "StoreError",
    "StoreRefused",
    "StoreUnavailable",
    "Unpublishable",
    "WriterRefused",
]

"""Policies and sources with defaults, for the tests."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import redis as redis_library

from snapshots import services
from snapshots.models import SnapshotBuild, SnapshotPolicy
from snapshots.publisher import SnapshotReader

NOW = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)
SOURCE = "test:source"
RECORDS = {
    "AAPL": {"price": 101.5, "day": {"v": 10, "o": None}, "halted": False},
    "MSFT": {"price": 400, "day": {"v": 20, "o": 399.5}, "halted": False},
}


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def make_policy(name: str = "test", **changes: Any) -> SnapshotPolicy:
    """Saved, and the only one that is enabled."""
    SnapshotPolicy.objects.exclude(name=name).update(enabled=False)
    return SnapshotPolicy.objects.create(**{"name": name, "source_key": SOURCE, **changes})


def put(client: redis_library.Redis, records: dict[str, Any], *, key: str = SOURCE) -> None:
    """The hash symbol → JSON, with nothing else in it."""
    with client.pipeline() as pipe:
        pipe.delete(key)
        if records:
            pipe.hset(key, mapping={symbol: json.dumps(record) for symbol, record in records.items()})
        pipe.execute()


def changed(**prices: float) -> dict[str, Any]:
    """RECORDS with other prices."""
    records = copy.deepcopy(RECORDS)
    for symbol, price in prices.items():
        records[symbol]["price"] = price
    return records


def build(at: float = 0) -> SnapshotBuild:
    """What beat does, so many seconds after NOW."""
    (row,) = services.build_snapshots(later(at))
    return row


def read(client: redis_library.Redis) -> dict[str, Any]:
    """What a reader who comes now rebuilds."""
    return SnapshotReader(client, "test").state()

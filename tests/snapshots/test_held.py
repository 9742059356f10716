"""What waits is not forgotten: the next full has it, also if the source has not said anything since."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

import pytest
import redis as redis_library

from snapshots.publisher import SnapshotReader, Unpublishable, sync
from tests.snapshots.factories import RECORDS, build, changed, make_policy, put, read
from tests.snapshots.test_publisher import Clock


@pytest.mark.django_db
def test_of_the_worker(redis: redis_library.Redis) -> None:
    make_policy(profile="own", thresholds="price 5%\n* wait")
    put(redis, RECORDS)
    assert build(0).kind == "full"
    put(redis, changed(AAPL=102))
    row = build(5)
    assert (row.kind, row.held, row.updated) == ("delta", 1, 0)
    assert read(redis) == RECORDS
    for at in (10, 15):  # the same bytes again: still waiting
        row = build(at)
        assert (row.held, row.updated) == (1, 0)
    assert build(300).kind == "full"
    assert read(redis) == changed(AAPL=102)
    assert build(305).held == 0


def test_of_a_manager(redis: redis_library.Redis) -> None:
    clock = Clock()
    manager = sync.SnapshotManager(redis, name="test", min_price_change_percent=0.05, clock=clock)
    records: Any = {"A": {"price": 100, "n": 1}, "B": {"price": 5, "n": 1}}
    manager.save_snapshot(records)
    records["A"]["price"] = 101
    for _ in range(2):
        saved = manager.save_snapshot(records)
        assert (saved["held"], saved["updated"], saved["skipped"]) == (1, 0, True)
    assert SnapshotReader(redis, "test").state()["A"]["price"] == 100
    clock.now += 300
    assert manager.save_snapshot(records)["type"] == "full"
    assert SnapshotReader(redis, "test").state() == records


def test_a_dict_that_was_changed_in_place_is_seen(redis: redis_library.Redis) -> None:
    """Also one that becomes NaN, which JSON writers make null of, and numbers of a class of their own."""

    class Halt(IntEnum):
        NO = 0
        YES = 1

    manager = sync.SnapshotManager(redis, name="test")
    records: Any = {"A": {"price": 1.5, "deep": {"list": [1, {"x": None}]}}, "B": {"price": None, "halt": Halt.NO}}
    manager.save_snapshot(records)
    records["A"]["deep"]["list"][1]["x"] = 2**70
    records["B"]["halt"] = Halt.YES
    assert manager.save_snapshot(records)["updated"] == 2
    assert SnapshotReader(redis, "test").state() == records
    records["B"]["price"] = math.nan
    with pytest.raises(Unpublishable, match="B: price is nan"):
        manager.save_snapshot(records)
    records["B"]["price"] = 2
    assert manager.save_snapshot(records)["updated"] == 1
    assert SnapshotReader(redis, "test").state() == records

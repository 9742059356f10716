"""What the pages say of a snapshot: what is in Redis and on record, and one word for its condition."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import redis as redis_library

from snapshots import services
from snapshots.engine.condition import condition
from snapshots.engine.names import keys_of
from snapshots.metrics import SnapshotRow, snapshots_summary
from snapshots.models import SnapshotPolicy
from snapshots.store import StoreUnavailable
from tests.snapshots import generators
from tests.snapshots.factories import NOW, RECORDS, SOURCE, later, make_policy, put

KEYS = keys_of("test")


def row(seconds: float) -> SnapshotRow:
    (found,) = [row for row in snapshots_summary(now=later(seconds)).rows if row.name == "test"]
    return found


@pytest.mark.django_db
def test_before_the_first_build_all_is_unknown(redis: redis_library.Redis) -> None:
    make_policy()
    found = row(0)
    assert (found.condition, found.why) == ("unknown", "Never built.")
    unknown = ("epoch", "sequence", "tickers", "raw_bytes", "full_bytes", "delta_bytes", "age", "full_age", "build_ms")
    assert {name: getattr(found, name) for name in unknown} == dict.fromkeys(unknown)
    assert found.stored_bytes == 0
    services.build_snapshots(NOW)
    assert row(1).why == f"Never built: the hash {SOURCE} is not there, or empty."


@pytest.mark.django_db
def test_a_snapshot_that_is_built(redis: redis_library.Redis) -> None:
    make_policy()
    records = generators.market(5, tickers=60)
    builds = []
    for number in range(4):
        put(redis, records)
        builds += services.build_snapshots(later(5 * number))
        records = generators.tick(records, number)
    found = row(17)
    assert (found.condition, found.why) == ("within", "Built 2 s ago.")
    assert (found.sequence, found.tickers, found.chain_length, found.last_kind) == (4, 60, 3, "delta")
    assert found.raw_bytes == builds[-1].raw_bytes
    assert found.full_bytes == builds[0].stored_bytes == redis.strlen(KEYS.full)
    assert found.delta_bytes == builds[-1].stored_bytes
    assert found.delta_median_bytes == sorted(build.stored_bytes for build in builds[1:])[1]
    assert (found.age, found.full_age) == (timedelta(seconds=2), timedelta(seconds=17))
    assert found.stored_bytes is not None
    assert found.stored_bytes > sum(build.stored_bytes for build in builds)
    summary = snapshots_summary(now=later(17))
    assert (summary.fulls, summary.deltas, summary.read_at) == (1, 3, later(17))
    assert summary.saved_bytes == sum(build.raw_bytes - build.stored_bytes for build in builds) > 0


@pytest.mark.django_db
@pytest.mark.parametrize("gone", ["full", "deltas", "head"])
def test_a_chain_that_readers_cannot_follow_is_over(redis: redis_library.Redis, gone: str) -> None:
    make_policy()
    put(redis, RECORDS)
    services.build_snapshots(later(0))
    services.build_snapshots(later(5))
    redis.delete(getattr(KEYS, gone))
    found = row(6)
    assert found.condition == "over"
    assert "gone from Redis" in found.why
    services.build_snapshots(later(10))
    assert row(11).condition == "within"


@pytest.mark.django_db
def test_a_failed_build_and_a_record_left_as_it_was_need_attention(redis: redis_library.Redis) -> None:
    make_policy()
    put(redis, RECORDS)
    services.build_snapshots(later(0))
    redis.hset(SOURCE, "AAPL", "{")
    services.build_snapshots(later(5))
    assert row(6).condition == "attention"
    assert row(6).why.startswith("1 kept as published last: AAPL: not JSON")
    redis.delete(SOURCE)
    services.build_snapshots(later(10))
    found = row(11)
    assert (found.condition, found.age) == ("attention", timedelta(seconds=6))
    assert found.last_failed == f"the hash {SOURCE} is not there, or empty."
    assert found.why == f"The newest build failed: {found.last_failed}"
    put(redis, RECORDS)
    services.build_snapshots(later(15))
    assert (row(16).condition, row(16).last_failed) == ("within", "")


@pytest.mark.django_db
def test_redis_away_is_raised(settings: Any) -> None:
    assert SnapshotPolicy.objects.exists()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(StoreUnavailable, match="Redis does not answer"):
        snapshots_summary(now=NOW)


@pytest.mark.parametrize(
    ("facts", "word", "why"),
    [
        ({}, "within", "Built 2 s ago."),
        ({"enabled": False}, "unknown", "Not enabled: nothing is built."),
        ({"age": None}, "unknown", "Never built."),
        ({"age": timedelta(seconds=15)}, "within", "Built 15 s ago."),
        ({"age": timedelta(seconds=16)}, "attention", "Last built 16 s ago."),
        ({"age": timedelta(seconds=16), "last_failed": "Redis."}, "attention", "Last built 16 s ago: Redis."),
        ({"age": timedelta(seconds=300)}, "over", "Last built 300 s ago."),
        ({"broken": "The full is gone."}, "over", "The full is gone."),
        ({"refusals": "1 kept."}, "attention", "1 kept."),
    ],
)
def test_the_word_for_a_condition(facts: dict[str, Any], word: str, why: str) -> None:
    well: dict[str, Any] = {
        "enabled": True,
        "age": timedelta(seconds=2),
        "broken": "",
        "refusals": "",
        "last_failed": "",
    }
    intervals = {"build_interval": timedelta(seconds=5), "full_interval": timedelta(seconds=300)}
    assert condition(**intervals, **{**well, **facts}) == (word, why)

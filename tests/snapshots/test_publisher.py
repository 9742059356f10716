"""What another service sees: it saves, somebody else reads the same, and what goes wrong in between shows."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis as redis_library
import redis.asyncio as async_redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapshots.engine.names import keys_of
from snapshots.engine.thresholds import GUIDE
from snapshots.publisher import (
    ChainBroken,
    NothingPublished,
    SnapshotManager,
    SnapshotReader,
    StoreRefused,
    StoreUnavailable,
    Unpublishable,
    WriterRefused,
    aio,
    sync,
)
from tests.snapshots import generators
from tests.snapshots.chains import exact
from tradeul_ops import connections
from tradeul_ops.demo.servers import ValkeyServer, free_port

A = {"AAPL": {"price": 101.5, "day": {"v": 10, "o": None}, "halted": False}, "MSFT": {"price": 400}}
B = {"AAPL": {"price": 101.75, "day": {"v": 12, "o": 101}, "halted": False}, "MSFT": {"price": 400}}


class Clock:
    now = 1_755_600_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def manager(redis: redis_library.Redis, clock: Clock) -> sync.SnapshotManager:
    return sync.SnapshotManager(redis, name="test", clock=clock)


def test_the_guide_as_it_is_written(redis: redis_library.Redis, redis_url: str) -> None:
    """Two saves, a full and a delta, in the guide's words; a reader has the second one's content."""

    async def scanner() -> list[dict[str, Any]]:
        client = async_redis.Redis.from_url(redis_url, protocol=2)
        manager = SnapshotManager(
            redis_client=client,
            full_snapshot_interval=300,
            delta_compression_threshold=100,
            min_price_change_percent=0.001,
            min_rvol_change_percent=0.05,
        )
        results = [await manager.save_snapshot(A), await manager.save_snapshot(B)]
        stats = manager.get_stats()
        assert (stats["full_snapshots"], stats["delta_snapshots"], stats["sequence"]) == (1, 1, 2)
        reader = aio.SnapshotReader(client)
        assert await reader.state() == B
        assert await reader.sequence() == 2
        assert not await reader.refresh()
        await client.aclose()
        return results

    full, delta = asyncio.run(scanner())
    assert (full["type"], full["sequence"], full["cause"], full["reason"]) == ("full", 1, "first", "first build")
    assert (delta["type"], delta["sequence"], delta["updated"]) == ("delta", 2, 1)
    assert SnapshotReader(redis).state() == B
    assert redis.get("snapshot:full:latest") == redis.get("snapshot:{latest}:full")
    assert 0 < redis.ttl("snapshot:delta:latest") <= 60
    head = redis.hgetall("snapshot:{latest}:head")
    assert head[b"profile"] == GUIDE.profile.encode()


def test_before_the_first_save_nothing_is_published(redis: redis_library.Redis, manager: sync.SnapshotManager) -> None:
    reader = SnapshotReader(redis, "test")
    with pytest.raises(NothingPublished, match="snapshot test: nothing is published, or it expired"):
        reader.state()
    assert manager.get_stats()["avg_full_size_kb"] is manager.get_stats()["delta_ratio_percent"] is None
    assert manager.get_latest_snapshot() is manager.get_latest_delta() is None
    manager.save_snapshot({})
    assert reader.state() == {}


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_readers_old_and_new_have_the_source_after_any_sequence(
    redis: redis_library.Redis, data: st.DataObject
) -> None:
    redis.flushdb()
    clock = Clock()
    manager = sync.SnapshotManager(redis, name="test", clock=clock)
    follower, occasional = SnapshotReader(redis, "test"), SnapshotReader(redis, "test")
    for records in data.draw(st.lists(generators.quiet_snapshots, min_size=1, max_size=8)):
        clock.now += data.draw(st.sampled_from([5, 5, 5, 300]))
        manager.save_snapshot(records)
        follower.refresh()
        if data.draw(st.booleans()):
            occasional.refresh()
        readers = [follower, SnapshotReader(redis, "test")]
        assert all(exact(reader.state()) == exact(records) for reader in readers)
    occasional.refresh()
    assert exact(occasional.state()) == exact(records)


def test_a_follower_crosses_a_scheduled_full_without_reading_it(
    redis: redis_library.Redis, manager: sync.SnapshotManager, clock: Clock
) -> None:
    manager.save_snapshot(A)
    follower = SnapshotReader(redis, "test")
    follower.refresh()
    clock.now += 300
    assert manager.save_snapshot(B)["type"] == "full"
    redis.delete(keys_of("test").full)
    follower.refresh()
    assert follower.state() == B


def test_the_stream_holds_the_deltas_of_two_fulls_at_most(
    redis: redis_library.Redis, manager: sync.SnapshotManager, clock: Clock
) -> None:
    for _ in range(4):
        for _ in range(10):
            clock.now += 30
            manager.save_snapshot(A)
    assert [int(id.split(b"-")[0]) for id, _ in redis.xrange(keys_of("test").deltas)] == list(range(21, 41))


def test_every_key_expires(redis: redis_library.Redis, manager: sync.SnapshotManager) -> None:
    manager.save_snapshot(A)
    manager.save_snapshot(B)
    keys = keys_of("test")
    for key in (keys.full, keys.deltas, keys.head):
        assert 890 < redis.ttl(key) <= 900
    assert 10 < redis.ttl(keys.lease) <= 15


def test_a_second_writer_is_refused_and_breaks_nothing(
    redis: redis_library.Redis, manager: sync.SnapshotManager
) -> None:
    manager.save_snapshot(A)
    second = sync.SnapshotManager(redis, name="test", writer="scanner-2")
    with pytest.raises(
        WriterRefused, match=r"snapshot test: SnapshotManager-\w+ is writing it, and may for another 1\d\.\d s"
    ):
        second.save_snapshot(B)
    assert manager.save_snapshot(B)["type"] == "delta"
    redis.delete(keys_of("test").lease)
    taken_over = second.save_snapshot(A)
    assert (taken_over["type"], taken_over["sequence"]) == ("full", 1)
    with pytest.raises(WriterRefused):
        manager.save_snapshot(B)
    assert SnapshotReader(redis, "test").state() == A


@pytest.mark.parametrize("gone", ["full", "head", "deltas"])
def test_a_key_that_went_away_is_made_up_for_by_a_full(
    redis: redis_library.Redis, manager: sync.SnapshotManager, gone: str
) -> None:
    manager.save_snapshot(A)
    manager.save_snapshot(B)
    follower = SnapshotReader(redis, "test")
    follower.refresh()
    redis.delete(getattr(keys_of("test"), gone))
    saved = manager.save_snapshot(A)
    assert saved["type"] == "full"
    assert "gone" in saved["reason"] or "newest delta" in saved["reason"]
    follower.refresh()
    assert follower.state() == SnapshotReader(redis, "test").state() == A


def test_a_delta_that_is_missing_or_damaged_is_never_read_over(
    redis: redis_library.Redis, manager: sync.SnapshotManager
) -> None:
    manager.save_snapshot(A)
    manager.save_snapshot(B)
    manager.save_snapshot(A)
    keys = keys_of("test")
    follower = SnapshotReader(redis, "test")
    follower.refresh()
    redis.xdel(keys.deltas, "2-0")
    with pytest.raises(ChainBroken, match="a gap, the state is at 1 and the delta is 3"):
        SnapshotReader(redis, "test").refresh()
    assert follower.state() == A
    redis.set(keys.full, b"not a document", ex=100)
    with pytest.raises(ChainBroken, match="no snapshot document"):
        SnapshotReader(redis, "test").refresh()


def test_a_reader_keeps_its_state_when_redis_goes_away(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path, free_port(), options={"save": ""})
    server.start()
    client = connections.client(server.url)
    manager = sync.SnapshotManager(client, name="test")
    manager.save_snapshot(A)
    reader = SnapshotReader(client, "test")
    reader.refresh()
    server.stop()
    with pytest.raises(StoreUnavailable, match="snapshot test: Redis does not answer"):
        reader.refresh()
    with pytest.raises(StoreUnavailable):
        manager.save_snapshot(B)
    assert reader.state() == A
    server.start()
    saved = manager.save_snapshot(B)
    assert (saved["type"], saved["sequence"]) == ("full", 1)
    assert (saved["cause"], saved["reason"]) == ("gap", "snapshot test: the head is gone.")
    reader.refresh()
    assert reader.state() == B
    client.close()
    server.stop()


def test_out_of_memory_leaves_nothing_half_written(redis: redis_library.Redis, manager: sync.SnapshotManager) -> None:
    manager.save_snapshot(A)
    before = {key: redis.dump(key) for key in redis.scan_iter()}
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreRefused, match=r"snapshot test: Redis refused: .*maxmemory"):
            manager.save_snapshot(B)
        assert {key: redis.dump(key) for key in redis.scan_iter()} == before
    finally:
        redis.config_set("maxmemory", 0)
    assert manager.save_snapshot(B)["type"] == "full"
    assert SnapshotReader(redis, "test").state() == B


def test_a_value_that_json_cannot_say_publishes_nothing(
    redis: redis_library.Redis, manager: sync.SnapshotManager
) -> None:
    manager.save_snapshot(A)
    with pytest.raises(Unpublishable, match="MSFT: price is nan"):
        manager.save_snapshot({**B, "MSFT": {"price": float("nan")}})
    assert SnapshotReader(redis, "test").state() == A
    assert manager.save_snapshot(B)["type"] == "delta"


def test_a_name_that_is_no_name_and_what_is_no_client_are_refused(redis: redis_library.Redis) -> None:
    for name in ("", "a b", "{a}", "x" * 65):
        with pytest.raises(ValueError, match="no snapshot name"):
            SnapshotReader(redis, name)
    with pytest.raises(TypeError, match=r"is no redis.asyncio client"):
        SnapshotManager(redis)
    with pytest.raises(TypeError, match=r"is no redis.Redis client, and has none as .client: is it connected yet"):
        sync.SnapshotManager(SimpleNamespace(client=None))


def test_a_client_that_decodes_gets_one_beside_it_that_does_not(redis_url: str, redis: redis_library.Redis) -> None:
    client = redis_library.Redis.from_url(redis_url, decode_responses=True)
    manager = sync.SnapshotManager(SimpleNamespace(client=client))  # a service's own class around it
    manager.save_snapshot(A)
    reader = SnapshotReader(client)
    assert reader.state() == A == manager.get_latest_snapshot()
    manager.close()
    reader.close()
    assert client.get("tradeul:none") is None, "the service's own client was closed"
    client.close()


def test_the_publisher_needs_no_django() -> None:
    code = "import snapshots.publisher, sys; print([name for name in sys.modules if name[:6] in ('django', 'celery')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""A reader that follows: late, paused or cut off, it ends with what the source says, and tells its lag."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
import redis as redis_library
import redis.asyncio as redis_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapshots.engine.names import keys_of
from snapshots.publisher import Followed, Lag, NothingPublished, SnapshotError, SnapshotReader, aio, sync
from tests.snapshots import generators
from tests.snapshots.chains import exact
from tests.snapshots.test_publisher import A, B, Clock

KEYS = keys_of("test")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def manager(redis: redis_library.Redis, clock: Clock) -> sync.SnapshotManager:
    return sync.SnapshotManager(redis, name="test", clock=clock)


def steps_of(reader: SnapshotReader) -> Iterator[Followed]:
    return reader.follow(poll_seconds=0.01)


def test_a_reader_follows_and_tells_its_lag(
    redis: redis_library.Redis, manager: sync.SnapshotManager, clock: Clock
) -> None:
    manager.save_snapshot(A)
    reader = SnapshotReader(redis, "test")
    steps = steps_of(reader)
    first = next(steps)
    assert (first.changed, first.sequence, first.fulls, first.deltas, first.problem) == (True, 1, 1, 0, "")
    assert first.lag == Lag(None, None), "it had nothing yet"
    assert first.published_at == datetime.fromtimestamp(clock.now, tz=UTC)

    for records in (B, A, B):
        clock.now += 5
        manager.save_snapshot(records)
    assert reader.lag() == Lag(3, 15.0)
    second = next(steps)
    assert (second.sequence, second.fulls, second.deltas, second.lag) == (4, 0, 3, Lag(3, 15.0))
    assert reader.lag() == Lag(0, 0.0)
    assert reader.state() == B


def test_a_reader_that_slept_for_an_hour_reads_the_full(
    redis: redis_library.Redis, manager: sync.SnapshotManager, clock: Clock
) -> None:
    manager.save_snapshot(A)
    reader = SnapshotReader(redis, "test")
    steps = steps_of(reader)
    next(steps)
    for number in range(720):
        clock.now += 5
        manager.save_snapshot({**B, "TICK": {"price": number}})
    step = next(steps)
    assert (step.fulls, step.lag) == (1, Lag(720, 3600.0))
    assert step.deltas < 60, "the chain of an hour was read"
    assert redis.xlen(KEYS.deltas) <= 122, "of an hour's 720 two full intervals are left"
    assert reader.state() == {**B, "TICK": {"price": 719}}


def an_hour_passes(redis: redis_library.Redis) -> None:
    """What expires within it is gone."""
    for key in (KEYS.full, KEYS.deltas, KEYS.head, KEYS.lease):
        if redis.exists(key):
            assert 0 < redis.ttl(key) < 3600, key
            redis.delete(key)


def test_a_reader_that_slept_while_all_of_it_expired_keeps_what_it_had_and_takes_what_comes(
    redis: redis_library.Redis, manager: sync.SnapshotManager, clock: Clock
) -> None:
    """The writer slept, too: nobody wrote for an hour, so Redis has forgotten the snapshot."""
    manager.save_snapshot(A)
    reader = SnapshotReader(redis, "test")
    steps = steps_of(reader)
    next(steps)
    clock.now += 3600
    an_hour_passes(redis)
    waiting = next(steps)
    assert waiting.problem == "snapshot test: nothing is published, or it expired."
    assert (waiting.sequence, reader.state()) == (1, A)
    saved = manager.save_snapshot(B)
    assert (saved["type"], saved["cause"], saved["reason"]) == ("full", "gap", "snapshot test: the head is gone.")
    back = next(steps)
    assert (back.changed, back.fulls, back.problem, reader.state()) == (True, 1, "", B)
    assert SnapshotReader(redis, "test").state() == B, "one that started late"


def test_what_keeps_it_back_is_told_once_and_overcome(
    redis: redis_library.Redis, manager: sync.SnapshotManager, clock: Clock
) -> None:
    """Nothing published, a chain with a hole, a new epoch: no step of it is for the caller to take."""
    reader = SnapshotReader(redis, "test")
    steps = steps_of(reader)
    waiting = next(steps)
    assert (waiting.changed, waiting.sequence, waiting.lag) == (False, None, None)
    assert waiting.problem == "snapshot test: nothing is published, or it expired."
    with pytest.raises(NothingPublished):
        reader.lag()

    manager.save_snapshot(A)
    assert next(steps).sequence == 1
    manager.save_snapshot(B)
    manager.save_snapshot(A)
    redis.xdel(KEYS.deltas, "2-0")
    broken = next(steps)
    assert (broken.changed, broken.sequence, broken.lag) == (False, 1, Lag(2, 0.0))
    assert broken.problem == "test: a gap, the state is at 1 and the delta is 3. Tried 4 times."
    assert reader.state() == A

    saved = manager.save_snapshot(B)  # the writer sees the hole too
    assert (saved["type"], saved["cause"]) == ("full", "gap")
    assert saved["reason"] == "snapshot test: of the deltas since full 1 only 1 are left."
    healed = next(steps)
    assert (healed.changed, healed.sequence, healed.problem, healed.lag) == (True, 1, "", Lag(None, 0.0))
    assert reader.state() == B


def test_entries_that_no_reader_needs_may_go(
    redis: redis_library.Redis, manager: sync.SnapshotManager, clock: Clock
) -> None:
    for _ in range(3):
        manager.save_snapshot(A)
    clock.now += 300
    manager.save_snapshot(A)
    manager.save_snapshot(B)
    redis.xtrim(KEYS.deltas, minid="5-0")
    assert manager.save_snapshot(A)["type"] == "delta"


def test_a_damaged_full_is_never_taken(redis: redis_library.Redis) -> None:
    manager = sync.SnapshotManager(redis, name="test", delta_compression_threshold=10_000)
    manager.save_snapshot(A)
    stored: Any = redis.get(KEYS.full)
    redis.set(KEYS.full, stored.replace(b"101.5", b"101.6"), keepttl=True)
    late = steps_of(SnapshotReader(redis, "test"))
    assert "the state's checksum is" in next(late).problem
    manager.save_snapshot(B, force_full=True)
    assert next(late).changed


def test_a_server_that_came_back_from_an_old_dump_is_not_taken_for_the_same_history(
    redis: redis_library.Redis, manager: sync.SnapshotManager
) -> None:
    """Epoch and sequence are those that the reader has, but the documents are others."""
    manager.save_snapshot(A)
    dumped = {key: redis.dump(key) for key in (KEYS.full, KEYS.deltas, KEYS.head) if redis.exists(key)}
    published = manager._author.published
    reader = SnapshotReader(redis, "test")
    manager.save_snapshot(B)
    reader.refresh()
    redis.delete(KEYS.full, KEYS.deltas, KEYS.head)
    for key, dump in dumped.items():
        redis.restore(key, 100_000, dump)
    manager._author.published = published  # a worker that started anew, from what was there
    manager.save_snapshot({**A, "NEW": {"price": 1}})
    assert reader.sequence == 2
    reader.refresh()
    assert reader.state() == {**A, "NEW": {"price": 1}}
    assert reader.sequence == 2


@given(data=st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_to_reader_and_writer_they_end_equal(redis: redis_library.Redis, data: st.DataObject) -> None:
    """Saves, pauses, restarts of either side, lost keys and entries; then one more save, and one more step."""
    redis.flushdb()
    clock = Clock()

    def new_manager() -> sync.SnapshotManager:
        return sync.SnapshotManager(redis, name="test", writer="scanner", clock=clock)

    def new_steps() -> tuple[SnapshotReader, Iterator[Followed]]:
        reader = SnapshotReader(redis, "test")
        return reader, steps_of(reader)

    manager, (reader, steps) = new_manager(), new_steps()
    events = st.sampled_from(
        ["save"] * 6 + ["read"] * 3 + ["hour", "writer", "reader", "full", "head", "deltas", "entry"]
    )
    records: dict[str, Any] = {}
    for event in data.draw(st.lists(events, min_size=3, max_size=14)):
        clock.now += 5
        if event == "save":
            records = data.draw(generators.quiet_snapshots)
            manager.save_snapshot(records)
        elif event == "read":
            with suppress(SnapshotError):
                reader.refresh()
        elif event == "hour":
            clock.now += 3600
            an_hour_passes(redis)
        elif event == "writer":
            manager = new_manager()
        elif event == "reader":
            reader, steps = new_steps()
        elif event == "entry":
            for entry_id, _ in redis.xrange(KEYS.deltas, count=1):
                redis.xdel(KEYS.deltas, entry_id)
        else:
            redis.delete(getattr(KEYS, event))
    records = {**records, "LAST": {"price": 1}}
    manager.save_snapshot(records)
    while not next(steps).changed:
        pass
    assert exact(reader.state()) == exact(records)


def test_following_stops_when_told(redis: redis_library.Redis, manager: sync.SnapshotManager) -> None:
    stop = threading.Event()
    manager.save_snapshot(A)
    steps = SnapshotReader(redis, "test").follow(stop=stop)
    next(steps)
    stop.set()
    assert list(steps) == []


def test_by_asyncio(redis: redis_library.Redis, redis_url: str, manager: sync.SnapshotManager) -> None:
    async def follow() -> list[Followed]:
        client = redis_asyncio.Redis.from_url(redis_url, protocol=2)
        reader = aio.SnapshotReader(client, "test")
        seen = []
        async for step in reader.follow(poll_seconds=0.01):
            seen.append(step)
            if len(seen) == 1:
                manager.save_snapshot(A)
            elif len(seen) == 2:
                manager.save_snapshot(B)
                assert await reader.lag() == Lag(1, 0.0)
            else:
                break
        assert await reader.state() == B
        await client.aclose()
        return seen

    first, second, third = asyncio.run(follow())
    assert "nothing is published" in first.problem
    assert (second.sequence, second.fulls, second.problem) == (1, 1, "")
    assert (third.sequence, third.deltas) == (2, 1)

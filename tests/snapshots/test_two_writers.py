"""A writer that was starved past its lease, and a stray second one: who wins, what both see, what no reader sees."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import redis as redis_library
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapshots.engine.build import Build
from snapshots.engine.names import keys_of
from snapshots.publisher import SnapshotReader, StoreError, WriterRefused, sync
from snapshots.publisher.errors import ChainMoved
from tests.snapshots import generators
from tests.snapshots.chains import Records, exact
from tests.snapshots.test_publisher import A, B, Clock

KEYS = keys_of("test")
C: Records = {"AAPL": {"price": 103.25}, "NVDA": {"price": 180}}


class Writer:
    """A manager whose write may come long after its document was built, as one that was starved in between."""

    def __init__(self, redis: redis_library.Redis, name: str) -> None:
        self.redis = redis
        self.manager = sync.SnapshotManager(redis, name="test", writer=name, clock=Clock())
        self.built: tuple[Build, Records] | None = None

    def save(self, records: Records) -> dict[str, Any]:
        self.built = None
        return self.manager.save_snapshot(records)

    def build(self, records: Records) -> None:
        author = self.manager._author
        sync.run(self.redis, steps=author.before_a_save(), name="test")
        self.built = author.build(records), records

    def send(self) -> dict[str, Any]:
        assert self.built is not None
        (build, records), self.built, author = self.built, None, self.manager._author
        try:
            sync.write(self.redis, build=build, terms=author.terms)
        except StoreError as error:
            author.failed(error)
            raise
        return author.confirm(build, records)


@pytest.fixture
def starve(redis: redis_library.Redis) -> Callable[[], None]:
    """So long that the lease is gone, as it is when its time is over."""
    return lambda: redis.delete(KEYS.lease) and None


@pytest.fixture
def writers(redis: redis_library.Redis) -> tuple[Writer, Writer]:
    return Writer(redis, "first"), Writer(redis, "second")


def contents(redis: redis_library.Redis) -> dict[str, Any]:
    return {key: redis.dump(key) for key in (KEYS.full, KEYS.deltas, KEYS.head, KEYS.lease)}


def test_one_that_was_starved_goes_on_where_nobody_came(
    redis: redis_library.Redis, writers: tuple[Writer, Writer], starve: Callable[[], None]
) -> None:
    first, _ = writers
    epoch = first.save(A)["epoch"]
    reader = SnapshotReader(redis, "test")
    reader.refresh()
    starve()
    saved = first.save(B)
    assert (saved["type"], saved["epoch"], saved["sequence"]) == ("delta", epoch, 2)
    first.build(C)
    starve()  # in the middle of a save
    assert (first.send()["type"], reader.refresh(), reader.state()) == ("delta", True, C)


def test_who_came_meanwhile_writes_until_it_stops(
    redis: redis_library.Redis, writers: tuple[Writer, Writer], starve: Callable[[], None]
) -> None:
    first, second = writers
    first.save(A)
    reader = SnapshotReader(redis, "test")
    assert reader.state() == A
    with pytest.raises(WriterRefused, match=r"first is writing it, and may for another \d+\.\d s"):
        second.save(B)
    starve()
    taken = second.save(B)
    assert (taken["type"], taken["cause"], taken["sequence"]) == ("full", "write failed", 1)
    before = contents(redis)
    for _ in range(2):
        with pytest.raises(WriterRefused, match=r"second is writing it, and may for another \d+\.\d s"):
            first.save(C)
    assert contents(redis) == before, "what is refused changes nothing, and takes no time from the holder's lease"
    assert (reader.refresh(), reader.state()) == (True, B)
    starve()  # now it is the second that stops
    back = first.save(C)
    assert (back["type"], back["sequence"]) == ("full", 1)
    assert back["epoch"] != taken["epoch"]
    assert (reader.refresh(), reader.state()) == (True, C)


def test_a_delta_that_arrives_after_another_wrote_is_not_taken(
    redis: redis_library.Redis, writers: tuple[Writer, Writer], starve: Callable[[], None]
) -> None:
    first, second = writers
    first.save(A)
    first.build(B)
    starve()
    second.save(C)
    starve()  # so that the lease is nobody's, and the head alone tells
    before = contents(redis)
    with pytest.raises(ChainMoved, match="the head is at 1 of epoch"):
        first.send()
    assert contents(redis) == before
    assert SnapshotReader(redis, "test").state() == C


def test_a_full_that_arrives_when_nobody_holds_the_lease_takes_over_whole(
    redis: redis_library.Redis, writers: tuple[Writer, Writer], starve: Callable[[], None]
) -> None:
    """It is older than what it replaces, and of an epoch of its own: nobody continues the other's chain with it."""
    first, second = writers
    first.build(A)
    second.save(B)
    reader = SnapshotReader(redis, "test")
    assert reader.state() == B
    starve()
    first.send()
    assert (reader.refresh(), reader.state()) == (True, A)
    with pytest.raises(WriterRefused, match="first is writing it"):
        second.save(C)
    assert first.save(C)["type"] == "delta"
    assert (reader.refresh(), reader.state()) == (True, C)


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_reader_has_what_was_confirmed_last_whoever_wrote_it(redis: redis_library.Redis, data: st.DataObject) -> None:
    redis.flushdb()
    writers = Writer(redis, "first"), Writer(redis, "second")
    reader = SnapshotReader(redis, "test")
    confirmed: Records | None = None
    events = st.tuples(st.sampled_from(["save", "save", "build", "send", "starve", "read"]), st.sampled_from(writers))
    for event, writer in data.draw(st.lists(events, min_size=4, max_size=20)):
        records = data.draw(generators.quiet_snapshots) if event in ("save", "build") else {}
        with suppress(WriterRefused, ChainMoved):
            if event == "save":
                writer.save(records)
                confirmed = records
            elif event == "build":
                writer.build(records)
            elif event == "send" and writer.built:
                _, records = writer.built
                writer.send()
                confirmed = records
            elif event == "starve":
                redis.delete(KEYS.lease)
        if confirmed is not None and event != "starve":
            reader.refresh()
            assert exact(reader.state()) == exact(confirmed)
            assert exact(SnapshotReader(redis, "test").state()) == exact(confirmed)

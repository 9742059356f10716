"""Keys hold what no process of ours wrote."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import redis as redis_library

from snapshots import services as snapshots
from snapshots.models import SnapshotBuild
from snapshots.publisher import SnapshotReader
from snapshots.publisher.errors import SnapshotError
from streams import services
from streams.models import Stream, StreamLimit, TrimRun
from streams.services import samples
from tests.faults.conftest import Says
from tests.snapshots import factories as records
from tests.streams.factories import fill, make_row
from tradeul_ops.runs import Outcome

Redis = redis_library.Redis
KEYS = ("full", "deltas", "head", "lease")
POISONS: dict[str, Any] = {
    "string": lambda client, key: client.set(key, b"\x00\xff{"),
    "hash": lambda client, key: client.hset(key, "epoch", b"\xff"),
    "list": lambda client, key: client.rpush(key, "x"),
    "stream": lambda client, key: client.xadd(key, {"document": b"\x28\xb5\x2f\xfd garbage"}, id="9-0"),
}


@pytest.mark.parametrize("poison", POISONS)
@pytest.mark.parametrize("part", KEYS)
def test_a_snapshots_key_holds_something_else(redis: Redis, console_says: Says, part: str, poison: str) -> None:
    """Says: of the snapshot that it is refused, gone or broken, and what the next build is; the page itself as ever.
    Recovers: at the next build or the one after it, as a full; a key of a foreign type is replaced.
    Keeps: readers have a whole state or an error, never a wrong one.
    """
    records.make_policy()
    records.put(redis, records.RECORDS)
    records.build(0)
    records.put(redis, records.changed(AAPL=2))
    records.build(5)
    key = f"snapshot:{{test}}:{part}"
    redis.delete(key)
    POISONS[poison](redis, key)
    with suppress(SnapshotError):
        assert SnapshotReader(redis, "test").state() == records.changed(AAPL=2)
    console_says("/snapshots/")
    records.put(redis, records.changed(AAPL=3))
    rows = [row for seconds in (30, 35, 40) for row in snapshots.build_snapshots(records.later(seconds))]
    assert rows[-1].outcome == Outcome.DONE, [row.detail for row in rows]
    assert SnapshotReader(redis, "test").state() == records.changed(AAPL=3)
    for left in redis.keys("snapshot:*"):
        assert redis.ttl(left) > 0, left


def test_a_delta_is_truncated(redis: Redis, console_says: Says) -> None:
    """Says: the test restore of the ledger: “The chain is broken at delta …”.
    Recovers: at the next full, at most one full interval later; who follows already is not concerned.
    Keeps: a reader that comes now has an error, never a wrong state.
    """
    records.make_policy(full_snapshot_interval=timedelta(seconds=60))
    for number in range(3):
        records.put(redis, records.changed(AAPL=number))
        records.build(5 * number)
    key = "snapshot:{test}:deltas"
    entries = redis.xrange(key)
    redis.delete(key)
    for id, fields in entries:
        document = fields[b"document"]
        redis.xadd(key, {"document": document[: len(document) // 2] if id == entries[-2][0] else document}, id=id)
    redis.expire(key, 60)
    with pytest.raises(SnapshotError):
        SnapshotReader(redis, "test").state()
    console_says("/snapshots/")
    records.put(redis, records.changed(AAPL=9))
    records.build(70)
    assert SnapshotBuild.objects.latest("id").kind == "full"
    assert SnapshotReader(redis, "test").state() == records.changed(AAPL=9)


def test_a_streams_key_holds_another_type(redis: Redis, no_limits: None, console_says: Says) -> None:
    """Says: “orders is no stream: the key holds another type, and can't be bounded by a limit.”
    Recovers: when the key is a stream again; the other streams are trimmed meanwhile.
    Keeps: the key as it is.
    """
    for name in ("orders", "quotes"):
        make_row(name)
    redis.set("orders", "not a stream", ex=60)
    fill(redis, "quotes", 2000)
    assert services.enforce_limits(records.NOW) == 1
    assert redis.get("orders") == b"not a stream"
    assert "orders is no stream" in TrimRun.objects.get(stream="orders").detail
    assert "orders is no stream: the key holds another type" in console_says()
    redis.delete("orders")
    fill(redis, "orders", 2000)
    assert services.enforce_limits(records.later(60)) == 1
    assert redis.xlen("orders") <= 1099


def test_names_hold_what_postgresql_can_not(redis: Redis, no_limits: None, console_says: Says) -> None:
    r"""Says: the group's and the consumer's names with \x00 where they hold a NUL, in the history as on the page.
    Recovers: there is nothing to recover; other streams are trimmed and recorded in the same sweep.
    Keeps: the names as they are on the server, by which the group is found again.
    """
    group, consumer = "pri\0cing", "rea\0der"
    for name in ("orders", "quotes"):
        make_row(name)
        fill(redis, name, 6000)
    redis.xgroup_create("orders", group, id="0")
    redis.xreadgroup(group, consumer, {"orders": ">"}, count=10)
    redis.xadd("odd\0stream", {"n": 1})
    assert services.enforce_limits(records.NOW) == 2
    run = TrimRun.objects.get(stream="orders")
    assert set(run.losses) == {r"pri\x00cing"}
    assert Stream.objects.get(name="orders").held_by == r"pri\x00cing"
    assert samples.take_samples(now=records.NOW) == 2
    services.discover_streams(now=records.NOW)
    assert not Stream.objects.filter(name__startswith="odd").exists()
    detail = services.group_detail("orders", r"pri\x00cing", consumer=r"rea\x00der")
    assert [one.name for one in detail.consumers] == [r"rea\x00der"]
    assert {one.consumer for one in detail.pending} == {r"rea\x00der"}
    assert r"pri\x00cing" in console_says(f"/streams/limits/{StreamLimit.objects.get(pattern='orders').pk}/")
    redis.delete("odd\0stream")

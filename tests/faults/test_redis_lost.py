"""The data Redis loses what it held, or answers no more."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_library
from django.utils import timezone

from snapshots import services as snapshots
from snapshots.models import SnapshotBuild
from snapshots.publisher import SnapshotReader
from streams import services, store
from streams.lua import script
from streams.models import TrimRun
from streams.producer import StreamProducer
from tests.faults.conftest import Says, killed
from tests.snapshots import factories as records
from tests.streams.factories import fill, make_group, make_row
from tests.streams.tcp_proxy import Proxy
from tradeul_ops import connections
from tradeul_ops.demo.servers import ValkeyServer
from tradeul_ops.runs import Outcome

Wait = Callable[..., None]
Redis = redis_library.Redis


@pytest.fixture
def stands(no_limits: None) -> Callable[[], Redis]:
    """A stream under a limit, and a snapshot of two tickers, both carried out; answers the client."""

    def stand() -> Redis:
        client = connections.data_redis()
        make_row("orders", 1000)
        fill(client, "orders", 1000)
        records.make_policy()
        records.put(client, records.RECORDS)
        tick()
        return client

    return stand


def tick() -> None:
    """What beat sends within 30 s."""
    now = timezone.now()
    services.publish_limits()
    services.enforce_limits(now)
    snapshots.build_snapshots(now)
    services.discover_streams(now=now)


def test_it_restarts(server: ValkeyServer, stands: Callable[[], Redis], console_says: Says) -> None:
    """Says: “Redis streams not read since …”, each panel “stale since …”, with the last figures; the rest of the page.
    Recovers: at the next sweep and the next poll.
    Keeps: limits, streams, groups and snapshots, as far as the server saved them.
    """
    client = stands()
    make_group(client, "orders", "pricing", read=10)
    assert "1,000 of 1,000, ceiling 3,000" in console_says("/streams/")
    console_says()
    server.stop()
    said = console_says()
    assert "Redis streams not read since" in said and "Redis does not answer" in said
    assert "stale since" in said and "Bounded." not in said
    assert "Limits can still be edited; they act when it is back" in console_says("/streams/")
    with pytest.raises(store.StoreUnavailable):
        services.enforce_limits(timezone.now())
    server.start()
    assert "stale since" not in console_says()
    fill(client, "orders", range(1001, 2001))
    tick()
    assert client.xlen("orders") >= 1900, "the group still needs them"
    assert client.xpending("orders", "pricing")["pending"] == 10


@pytest.mark.parametrize("loss", ["failover to an empty server", "FLUSHALL"])
def test_it_comes_back_empty(
    server: ValkeyServer, stands: Callable[[], Redis], console_says: Says, loss: str, wait_until: Wait
) -> None:
    """Says: “test is gone from Redis; the next build publishes it anew.”, and of a stream its length, 0.
    Recovers: snapshots at the next build (5 s), as the full of a new epoch; limits within 30 s; readers at their next
    refresh; producers keep the limits that they hold meanwhile.
    Keeps: every limit and policy, which are rows of PostgreSQL. What Redis held is lost, consumer groups too.
    """
    client = stands()
    reader = SnapshotReader(client, "test")
    assert reader.state() == records.RECORDS
    with StreamProducer(client, trim=False) as producer:
        version = producer.version
        if loss == "FLUSHALL":
            client.flushall()
        else:
            killed(server)
            server.directory.joinpath("dump.rdb").unlink(missing_ok=True)
            server.start()
        assert "test is gone from Redis; the next build publishes it anew." in console_says()
        assert "0 of 1,000, ceiling 3,000" in console_says("/streams/")
        records.put(client, records.changed(AAPL=7))
        producer.xadd_many("orders", ({"n": n} for n in range(1500)))
        assert client.xlen("orders") <= 3000 + 99, "the producer keeps its limit"
        SnapshotBuild.objects.update(started_at=records.NOW)
        tick()
        assert SnapshotBuild.objects.first().kind == "full"
        reader.refresh()
        assert reader.state() == records.changed(AAPL=7)
        assert store.read_published(client).limits
        wait_until(lambda: producer.version is not None, "the producer reads limits again")
        assert version is not None
    assert "is gone from Redis" not in console_says()


def test_its_scripts_are_flushed(server: ValkeyServer, stands: Callable[[], Redis]) -> None:
    """Says: nothing.
    Recovers: at once: each call sends the script with it when the server does not know it.
    Keeps: everything.
    """
    client = stands()
    fill(client, "orders", range(1001, 2001))
    records.put(client, records.changed(AAPL=7))
    SnapshotBuild.objects.update(started_at=records.NOW)
    client.script_flush()
    tick()
    assert client.xlen("orders") <= 1099
    assert SnapshotReader(client, "test").state() == records.changed(AAPL=7)


def test_it_is_full_and_refuses_writes(server: ValkeyServer, stands: Callable[[], Redis], console_says: Says) -> None:
    """Says: “Redis uses … of the … it may.”, and of the snapshot “Redis refused: command not allowed …”.
    Recovers: at the next sweep, which frees what is past the limits; snapshots at the build after it.
    Keeps: the published snapshot, whole; limits in force at producers.
    """
    client = stands()
    fill(client, "orders", range(2001, 12_001), size=1024)
    records.put(client, records.changed(AAPL=7))
    client.config_set("maxmemory", "8mb")
    SnapshotBuild.objects.update(started_at=records.NOW)
    (failed,) = snapshots.build_snapshots(timezone.now())
    assert failed.outcome == Outcome.FAILED and "Redis refused" in failed.detail and "maxmemory" in failed.detail
    assert SnapshotReader(client, "test").state() == records.RECORDS
    said = console_says()
    assert "of the 8.4 MB it may" in said and "Redis refused: command not allowed" in said
    SnapshotBuild.objects.update(started_at=records.NOW)
    services.enforce_limits(timezone.now())
    assert "it may" not in console_says()
    tick()
    assert SnapshotReader(client, "test").state() == records.changed(AAPL=7)


def test_it_evicts_whole_keys(server: ValkeyServer, stands: Callable[[], Redis], console_says: Says) -> None:
    """Says: “Redis evicts by allkeys-lru: when full it deletes whole streams with their groups. Use noeviction.”
    Recovers: an evicted snapshot at the next build, the evicted limits within 30 s. An evicted stream is gone.
    Keeps: nothing of what was evicted; the console can only say so.
    """
    client = stands()
    client.config_set("maxmemory-policy", "allkeys-lru")
    assert "Redis evicts by allkeys-lru: when full it deletes whole streams with their groups." in console_says()
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 500_000)
    for number in range(40):
        client.set(f"test:{number}", b"x" * 50_000)
    assert client.info("stats")["evicted_keys"] > 0
    client.delete(*(f"test:{number}" for number in range(40)))
    client.config_set("maxmemory", 0)
    records.put(client, records.changed(AAPL=7))
    SnapshotBuild.objects.update(started_at=records.NOW)
    tick()
    assert SnapshotReader(client, "test").state() == records.changed(AAPL=7)
    assert store.read_published(client).limits


def test_it_hangs(server: ValkeyServer, stands: Callable[[], Redis], console_says: Says) -> None:
    """Says: “Redis does not answer”, after the 5 s of the one page that asked first; other pages at once.
    Recovers: at most 7 s after it answers again.
    Keeps: the last figures on the page; the sweep's turn, which is given back.
    """
    client = stands()
    fill(client, "orders", range(1001, 2001))
    console_says()
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        said = [console_says(address) for address in ("/", "/streams/", "/findings/", "/producers/", "/verify/")]
        took = time.monotonic() - began
        assert all("does not answer" in page for page in said)
        with pytest.raises(store.StoreUnavailable):
            services.enforce_limits(timezone.now())
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    assert took < 25, "the time-out of each of their calls"
    assert TrimRun.objects.filter(stream=services.WHOLE_SWEEP, outcome=Outcome.FAILED).exists()


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("after", [0, 1, 30])
def test_a_trims_answer_breaks_off(
    server: ValkeyServer, no_limits: None, settings: Any, after: int, number: int
) -> None:
    """Says: in the stream's history that what the call took is not known: it may have been carried out.
    Recovers: at the next sweep.
    Keeps: what groups need below the ceiling; what went above it is on record, or that it is not known.
    """
    make_row("orders", 1000)
    client = connections.data_redis()
    fill(client, "orders", 6000)
    make_group(client, "orders", "pricing")
    client.script_load(script("safe_trim").text)
    with Proxy(server.port) as proxy:
        settings.REDIS_URL = proxy.url
        proxy.cut_answer(script("safe_trim").sha.encode(), number=number, after=after)
        with pytest.raises(store.StoreUnavailable):
            services.enforce_limit("orders", now=timezone.now())
        (run,) = TrimRun.objects.filter(stream="orders")
        assert (run.outcome, run.trimmed) == (Outcome.PARTIAL, 1000 * (number - 1))
        assert "not known" in run.detail
        assert services.enforce_limit("orders", now=timezone.now()) == 1
    assert 3000 <= client.xlen("orders") <= 3099

"""The data is on a Redis Cluster of three masters."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from snapshots.models import SnapshotBuild
from snapshots.publisher import SnapshotReader
from streams import services, store
from streams.models import Stream, StreamLimit, TrimRun
from streams.producer import StreamProducer
from tests.faults.cluster import cluster, url_of
from tests.faults.conftest import Says, killed
from tests.snapshots import factories as records
from tests.streams.factories import fill, make_group, make_row
from tradeul_ops import connections
from tradeul_ops.demo.servers import ValkeyServer

Wait = Callable[..., None]
STREAMS = [f"orders:{number}" for number in range(12)]


@pytest.fixture
def masters(tmp_path: Path, settings: Any, wait_until: Wait, no_limits: None) -> Iterator[list[ValkeyServer]]:
    """Settings point at them. Twelve streams past their limits, on all three; one has a group."""
    with cluster(tmp_path, wait_until) as found:
        settings.REDIS_URL = url_of(found)
        client = connections.data_redis()
        for name in STREAMS:
            make_row(name)
            for start in (0, 1000):
                fill(client, name, range(start + 1, start + 1001))
        make_group(client, STREAMS[0], "pricing", read=10)
        yield found
        connections.data_redis.cache_clear()


def page_of(name: str) -> str:
    return f"/streams/limits/{StreamLimit.objects.get(pattern=name).pk}/"


def node_of(client: Any, name: str) -> int:
    return int(client.get_node_from_key(name).port)


def test_everything_works_on_three_masters(masters: list[ValkeyServer], console_says: Says) -> None:
    """Says: streams, snapshots and memory of all three together.
    Recovers: there is nothing to recover.
    Keeps: what groups need, as on a single server.
    """
    client: Any = connections.data_redis()
    assert len({node_of(client, name) for name in STREAMS}) == 3
    assert services.publish_limits() is not None
    assert services.enforce_limits(timezone.now()) == 11
    assert [client.xlen(name) for name in STREAMS[1:]] == [1000] * 11
    assert client.xlen(STREAMS[0]) == 2000, "the group has read none of what would go"
    client.xadd("found:by-scan", {"n": 1})
    services.discover_streams(now=timezone.now())
    assert Stream.objects.filter(name="found:by-scan").exists()
    with StreamProducer(client, trim=False) as producer:
        producer.xadd_many(STREAMS[1], ({"n": n} for n in range(250)))
        assert producer.version is not None
    records.make_policy()
    for price in (1, 2):
        records.put(client, records.changed(AAPL=price))
        records.build(5 * price)
    assert SnapshotBuild.objects.latest("id").kind == "delta"
    assert SnapshotReader(client, "test").state() == records.changed(AAPL=2)
    for address in ("/", "/streams/", "/snapshots/", "/producers/", "/findings/", "/verify/", "/metrics"):
        assert "does not answer" not in console_says(address).replace("PostgreSQL does not answer", ""), address
    assert all(name in console_says("/streams/") for name in STREAMS)


def test_one_master_is_lost_and_comes_back(masters: list[ValkeyServer], console_says: Says, wait_until: Wait) -> None:
    """Says: the node and how many of its streams are not trimmed, once; at each of them that it does not answer.
    Recovers: at the next sweep after the node is back, without a restart.
    Keeps: the streams of the other masters at their limits; the turn of those that were not reached.
    """
    client: Any = connections.data_redis()
    lost = next(master for master in masters if master.port == node_of(client, STREAMS[1]))
    there = [name for name in STREAMS[1:] if node_of(client, name) != lost.port]
    away = [name for name in STREAMS if node_of(client, name) == lost.port]
    assert len(there) > 2
    assert len(away) > 2
    killed(lost)
    for _ in range(3):
        services.enforce_limits(timezone.now())
    assert [client.xlen(name) for name in there] == [1000] * len(there)
    assert not Stream.objects.filter(name__in=away).exclude(due_at=None).exists(), "they had no turn"
    (run,) = TrimRun.objects.filter(outcome="failed")
    assert (run.stream, f"127.0.0.1:{lost.port} has {len(away)} streams" in run.detail) == ("", True), run.detail
    lengths = store.read_lengths(client, STREAMS, sized=STREAMS)
    states = store.read_states(client, STREAMS)
    for name in STREAMS:
        assert isinstance(lengths[name], store.NodeAway) == isinstance(states[name], store.NodeAway) == (name in away)
    said = console_says("/streams/")
    assert f"127.0.0.1:{lost.port} does not answer" in said
    assert all(name in said for name in STREAMS)
    assert "does not answer" in console_says(page_of(away[0]))
    assert "does not answer" not in console_says(page_of(there[0]))
    node = f"127.0.0.1:{lost.port}"
    assert store.read_memory(client).away == (node,)
    overview = console_says("/")
    assert f"without {node}, which does not answer" in overview
    assert "Redis streams not read" not in overview
    assert "Redis streams could not be read" not in overview
    assert not any(row.seen_at for row in Stream.objects.all())
    services.discover_streams(now=timezone.now())
    assert set(there) <= set(Stream.objects.exclude(seen_at=None).values_list("name", flat=True))
    assert not Stream.objects.filter(name__in=away).exclude(seen_at=None)
    for name in there:
        fill(client, name, range(5001, 6001))
    services.enforce_limits(timezone.now())
    assert [client.xlen(name) for name in there] == [1000] * len(there)

    lost.start()
    wait_until(lambda: services.enforce_limits(timezone.now()) > 0, "the streams of the lost node are trimmed")
    limited = [name for name in away if name != STREAMS[0]]
    assert [client.xlen(name) for name in limited] == [1000] * len(limited)
    assert "does not answer" not in console_says("/streams/").replace("PostgreSQL does not answer", "")


def test_one_master_hangs(masters: list[ValkeyServer]) -> None:
    """Says: as where it is lost.
    Recovers: at the next sweep.
    Keeps: the streams of the other masters at their limits, although a sweep waits for the time-out first.
    """
    client: Any = connections.data_redis()
    hangs = next(master for master in masters if master.port == node_of(client, STREAMS[1]))
    there = [name for name in STREAMS[1:] if node_of(client, name) != hangs.port]
    assert hangs.process is not None
    os.kill(hangs.process.pid, signal.SIGSTOP)
    try:
        assert services.enforce_limits(timezone.now()) == len(there)
        assert [client.xlen(name) for name in there] == [1000] * len(there)
    finally:
        os.kill(hangs.process.pid, signal.SIGCONT)


def test_all_masters_are_lost(masters: list[ValkeyServer], console_says: Says) -> None:
    """Says: “Redis does not answer”.
    Recovers: as after the loss of a single server.
    Keeps: every stream's turn.
    """
    connections.data_redis().xlen(STREAMS[0])
    for master in masters:
        killed(master)
    with pytest.raises(store.StoreUnavailable, match="no node of the cluster answers"):
        services.enforce_limits(timezone.now())
    assert "Redis does not answer" in console_says("/streams/")

"""The data is on a Redis Cluster of three masters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from snapshots.models import SnapshotBuild
from snapshots.publisher import SnapshotReader
from streams import services
from streams.models import Stream
from streams.producer import StreamProducer
from tests.faults.cluster import cluster, url_of
from tests.faults.conftest import Says
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

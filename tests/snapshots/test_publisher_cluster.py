"""Publishing to a cluster: all keys of a snapshot are in one slot, but for the guide's two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library

from snapshots.publisher import SnapshotReader, sync
from tests.snapshots.test_publisher import A, B
from tradeul_ops import connections
from tradeul_ops.demo.servers import ValkeyServer, free_port


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Any]:
    """A cluster of one node: what a cluster refuses, it refuses too."""
    server = ValkeyServer(
        tmp_path, free_port(), options={"save": "", "cluster-enabled": "yes", "cluster-port": str(free_port())}
    )
    server.start()
    node = redis_library.Redis.from_url(server.url)
    node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    node.close()
    yield server
    server.stop()


def test_on_a_cluster(cluster: ValkeyServer, wait_until: Any) -> None:
    node = redis_library.Redis.from_url(cluster.url)
    wait_until(lambda: b"cluster_state:ok" in node.execute_command("CLUSTER", "INFO"), "the cluster is up")
    node.close()
    client = connections.client(cluster.url.replace("redis://", "redis+cluster://").removesuffix("/0"))
    manager = sync.SnapshotManager(client)
    manager.save_snapshot(A)
    manager.save_snapshot(B)
    assert SnapshotReader(client).state() == B
    assert client.get("snapshot:full:latest") == client.get("snapshot:{latest}:full")
    client.close()

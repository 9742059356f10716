"""Three masters of a Redis Cluster, without replicas, for the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tradeul_ops.demo.servers import HOST, ValkeyServer, free_port

SLOTS = 16384
# What is on a node that is there can be reached while another is not: without this, one lost node stops all.
OPTIONS = {
    "save": "",
    "appendonly": "yes",
    "cluster-enabled": "yes",
    "cluster-require-full-coverage": "no",
    "cluster-node-timeout": "1000",
}


@contextmanager
def cluster(directory: Path, wait_until: Callable[..., None]) -> Iterator[list[ValkeyServer]]:
    """The masters, agreed on who holds which slots."""
    masters = [
        ValkeyServer(directory / f"node-{n}", free_port(), options={**OPTIONS, "cluster-port": str(free_port())})
        for n in range(3)
    ]
    try:
        for number, master in enumerate(masters):
            master.start()
            first, last = SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1
            _tell(master, "ADDSLOTSRANGE", first, last)
        for other in masters[1:]:
            _tell(masters[0], "MEET", HOST, other.port, other.options["cluster-port"])
        wait_until(lambda: all(_agrees(master) for master in masters), "the masters agree")
        yield masters
    finally:
        for master in masters:
            master.stop()


def url_of(masters: list[ValkeyServer]) -> str:
    return f"redis+cluster://{HOST}:{masters[0].port}"


def _tell(server: ValkeyServer, *words: object) -> bytes:
    with redis.Redis.from_url(server.url) as client:
        answer: bytes = client.execute_command("CLUSTER", *words)  # type: ignore[no-untyped-call]
        return answer


def _agrees(server: ValkeyServer) -> bool:
    told = str(_tell(server, "INFO"))
    return all(word in told for word in ("cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:3"))

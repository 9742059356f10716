"""streams.producer: pipelines and clusters, of both kinds of client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as redis_library
import redis.asyncio as redis_asyncio
from redis.cluster import RedisCluster

from streams import store
from streams.producer import RedisStreamManager, StreamProducer, _process, initialize_stream_manager
from tests.streams.test_producer import heard, publish, soft
from tests.streams.test_producer_aio import until
from tradeul_ops.demo.servers import ValkeyServer, free_port

Redis = redis_library.Redis


@pytest.fixture(autouse=True)
def no_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_process, "_manager", None)


@pytest.fixture(scope="module")
def cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A cluster of one node, which owns every slot: what a cluster client may not do, it may not do here either."""
    options = {"save": "", "cluster-enabled": "yes", "cluster-port": str(free_port())}  # by default port + 10000
    server = ValkeyServer(tmp_path_factory.mktemp("producer-cluster"), free_port(), options=options)
    server.start()
    with Redis.from_url(server.url) as node:
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    yield server
    server.stop()


@pytest.fixture
def cluster(cluster_server: ValkeyServer, wait_until: Callable[..., None]) -> Iterator[Redis]:
    """A plain client of the cluster's node, which is empty."""
    with Redis.from_url(cluster_server.url) as node:
        wait_until(lambda: node.cluster("info")["cluster_state"] == "ok", "the cluster is up")
        node.flushall()
        yield node


def in_pipelines(manager: StreamProducer, client: Any, *, atomic: bool) -> list[Any]:
    ids: list[Any] = []
    for _ in range(2):
        pipe = client.pipeline(transaction=True) if atomic else client.pipeline()
        for n in range(100):
            assert manager.xadd("orders", {"n": n}, pipeline=pipe) is pipe
            manager.xadd("trades", {"n": n}, 5, pipeline=pipe)
        ids += pipe.execute()
    return ids


async def in_pipelines_async(manager: RedisStreamManager, client: Any, *, atomic: bool) -> list[Any]:
    ids: list[Any] = []
    for _ in range(2):
        pipe = client.pipeline(transaction=True) if atomic else client.pipeline()
        for n in range(100):
            assert await manager.xadd("orders", {"n": n}, pipeline=pipe) is pipe
            manager.xadd("trades", {"n": n}, 5, pipeline=pipe)  # or without await
        ids += await pipe.execute()
    return ids


@pytest.mark.parametrize("atomic", [False, True])
def test_a_pipeline_carries_the_limits(redis: Redis, redis_url: str, atomic: bool) -> None:
    publish(redis, soft(20), soft(20, "trades"))
    with initialize_stream_manager(redis) as manager:
        ids = in_pipelines(manager, redis, atomic=atomic)
        assert (len(set(ids)) >= 200, len(ids), manager.get_stats()["total_adds"]) == (True, 400, 400)

    async def pipelined() -> list[Any]:
        async with redis_asyncio.Redis.from_url(redis_url) as client:
            manager = initialize_stream_manager(client)
            await manager.start()
            ids = await in_pipelines_async(manager, client, atomic=atomic)
            assert manager.get_stats()["total_adds"] == 400
            await manager.stop()
            return ids

    assert redis.xrevrange("trades", count=1)[0][0] == ids[-1]
    ids = asyncio.run(pipelined())
    assert redis.xrevrange("trades", count=1)[0][0] == ids[-1]
    assert (redis.xlen("orders"), redis.xlen("trades")) == (20, 5)


def test_a_cluster(cluster: Redis, cluster_server: ValkeyServer, wait_until: Callable[..., None]) -> None:
    """Limits are read, heard of and obeyed; the keys may lie in different slots."""
    publish(cluster, soft(20), soft(20, "trades"))
    client: Any = RedisCluster.from_url(cluster_server.url.removesuffix("/0"), protocol=2)
    with initialize_stream_manager(client, name="on a cluster") as manager:
        assert isinstance(manager, StreamProducer)
        assert len(in_pipelines(manager, client, atomic=False)) == 400
        for n in range(30):
            manager.xadd("orders", {"n": n})
        assert (cluster.xlen("orders"), cluster.xlen("trades")) == (20, 5)
        assert {info["stream"]: info["length"] for info in manager.get_all_streams_info()} == {
            "orders": 20,
            "trades": 5,
        }
        assert [seen.name for seen in store.read_producers(cluster)] == ["on a cluster"]
        wait_until(lambda: heard(cluster), "it listens")
        publish(cluster, soft(10), soft(20, "trades"))
        wait_until(lambda: manager.version == 2, "the edit is read")
        manager.xadd("orders", {"n": 1})
        assert cluster.xlen("orders") == 10
    client.close()


def test_a_cluster_by_asyncio(cluster: Redis, cluster_server: ValkeyServer) -> None:
    publish(cluster, soft(20), soft(20, "trades"))

    async def clustered() -> None:
        client: Any = redis_asyncio.RedisCluster.from_url(cluster_server.url.removesuffix("/0"), protocol=2)
        manager = initialize_stream_manager(client)
        await manager.start()
        assert len(await in_pipelines_async(manager, client, atomic=False)) == 400
        for n in range(30):
            await manager.xadd("orders", {"n": n})
        assert (cluster.xlen("orders"), cluster.xlen("trades")) == (20, 5)
        infos = await manager.get_all_streams_info()
        assert {info["stream"]: info["length"] for info in infos} == {"orders": 20, "trades": 5}
        publish(cluster, soft(10), soft(20, "trades"))
        await until(lambda: manager.version == 2, "the edit is read")
        await manager.xadd("orders", {"n": 1})
        assert cluster.xlen("orders") == 10
        await manager.stop()
        await client.aclose()

    asyncio.run(clustered())

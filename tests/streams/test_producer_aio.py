"""streams.producer, asyncio: the integration guide's RedisStreamManager."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis as redis_library
import redis.asyncio

from streams import store
from streams.engine.wire import LIMITS_KEY, to_wire
from streams.producer import NotStarted, _process, aio, get_stream_manager, initialize_stream_manager
from tests.streams.factories import fill, make_group, make_limit, rule_of
from tests.streams.test_producer import heard, publish, soft

Redis = redis_library.Redis


@pytest.fixture(autouse=True)
def no_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_process, "_manager", None)


@asynccontextmanager
async def started(url: str, **options: Any) -> AsyncIterator[aio.RedisStreamManager]:
    async with redis.asyncio.Redis.from_url(url) as client:
        manager = initialize_stream_manager(client, **options)
        await manager.start()
        try:
            yield manager
        finally:
            await manager.stop()


async def until(predicate: Callable[[], object], description: str, *, within: float = 10) -> None:
    try:
        async with asyncio.timeout(within):
            while not predicate():
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"not within {within} s: {description}")


def test_before_it_is_initialized_it_says_how() -> None:
    message = r"RedisStreamManager not initialized: call initialize_stream_manager\(...\) and await start\(\) first"
    with pytest.raises(RuntimeError, match=message):
        get_stream_manager()


def test_the_guides_interface(redis: Redis, redis_url: str) -> None:
    """Its lines, on the wrapper object that the services have around their client."""

    class RedisClient:
        def __init__(self) -> None:
            self.client = redis_library.asyncio.Redis.from_url(redis_url)

    publish(redis, make_limit("snapshots:raw"), make_limit("tickers:filtered", 500))

    async def lifespan() -> None:
        redis_client = RedisClient()
        stream_manager = initialize_stream_manager(redis_client)
        await stream_manager.start()
        assert get_stream_manager() is stream_manager
        id = await get_stream_manager().xadd("snapshots:raw", {"data": "{}"})
        assert redis.xrange("snapshots:raw") == [(id, {b"data": b"{}"})]

        stats = stream_manager.get_stats()
        guides = {"is_running": True, "active_trim_tasks": 0, "total_adds": 1, "total_trims": 0, "bytes_trimmed": 0}
        assert stats.items() >= guides.items()
        assert sorted(await stream_manager.get_all_streams_info(), key=lambda info: info["stream"]) == [
            {"stream": "snapshots:raw", "length": 1, "maxlen": 1000, "usage_percent": 0.1},
            {"stream": "tickers:filtered", "length": 0, "maxlen": 500, "usage_percent": 0.0},
        ]
        await stream_manager.stop()
        assert not stream_manager.get_stats()["is_running"]
        await redis_client.client.aclose()

    asyncio.run(lifespan())
    assert store.read_producers(redis) == ()


@pytest.mark.parametrize("how", ["published", "published after the subscription was killed", "raw HSET"])
def test_an_edit_acts(redis: Redis, redis_url: str, how: str) -> None:
    publish(redis, soft(200))

    async def edit() -> None:
        async with started(redis_url) as manager:
            await until(lambda: heard(redis), "it listens")
            if how == "raw HSET":
                redis.hset(LIMITS_KEY, "orders", to_wire(rule_of(soft(20))))
            else:
                if "killed" in how:
                    redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                publish(redis, soft(20))
            slot = manager._slots["orders"]
            within = 1 if how == "published" else 4
            await until(lambda: slot.options == (b"MAXLEN", b"=", b"20"), "the new limit is known", within=within)
            for n in range(30):
                await manager.xadd("orders", {"n": n})

    asyncio.run(edit())
    assert redis.xlen("orders") == 20


def test_adding_before_start_is_refused(redis: Redis, redis_url: str) -> None:
    async def hasty() -> None:
        async with redis_library.asyncio.Redis.from_url(redis_url) as client:
            with pytest.raises(NotStarted):
                await initialize_stream_manager(client).xadd("orders", {"n": "1"})

    asyncio.run(hasty())


def test_starting_and_stopping_while_redis_is_away() -> None:
    async def away() -> None:
        async with started("redis://127.0.0.1:1/0") as manager:
            assert manager.get_stats()["is_running"]
            assert manager.get_stats()["active_trim_tasks"] == 0

    asyncio.run(away())


# --- trimming where no console does ----------------------------------------------------------------------------------


def test_alone_it_trims_by_the_guides_limits(redis: Redis, redis_url: str) -> None:
    fill(redis, "snapshots:raw", 5000)
    fill(redis, "events:session", 500)
    make_group(redis, "events:session", "reader", read=250, acknowledged=250)

    async def alone() -> None:
        async with started(redis_url) as manager:
            await until(lambda: redis.xlen("snapshots:raw") <= 1099, "snapshots:raw is trimmed")
            await until(lambda: manager.get_stats()["total_trims"] == 2, "both are trimmed")
            stats = manager.get_stats()
            assert stats["active_trim_tasks"] == 5
            assert stats["bytes_trimmed"] > 10_000
            assert 250 <= redis.xlen("events:session") <= 350, "what the group has not read stays"

    asyncio.run(alone())


def test_where_a_console_publishes_it_leaves_trimming_to_it(redis: Redis, redis_url: str) -> None:
    async def joined() -> None:
        async with started(redis_url) as manager:
            await until(lambda: manager.get_stats()["active_trim_tasks"] == 5, "it trims alone")
            await until(lambda: heard(redis), "it listens")
            publish(redis, make_limit())
            await until(lambda: manager.get_stats()["active_trim_tasks"] == 0, "it leaves it to the console")

    asyncio.run(joined())


def test_told_to_it_trims_beside_a_console_by_the_limits_in_force(redis: Redis, redis_url: str) -> None:
    fill(redis, "orders", 5000)
    publish(redis, make_limit("orders", protect_groups=False), make_limit("off", enabled=False))

    async def told() -> None:
        async with started(redis_url, trim=True) as manager:
            await until(lambda: redis.xlen("orders") <= 1099, "orders is trimmed")
            assert manager.get_stats()["active_trim_tasks"] == 1

    asyncio.run(told())


def test_told_not_to_it_never_trims(redis: Redis, redis_url: str) -> None:
    fill(redis, "snapshots:raw", 5000)

    async def told() -> None:
        async with started(redis_url, trim=False) as manager:
            await until(lambda: store.read_producers(redis), "it has read the limits")
            assert manager.get_stats()["active_trim_tasks"] == 0

    asyncio.run(told())
    assert redis.xlen("snapshots:raw") == 5000

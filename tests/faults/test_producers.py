"""What fails between the console and producers: an edit is obeyed within three seconds all the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis as redis_library
import redis.asyncio

from streams.engine.wire import CHANNEL, LIMITS_KEY
from streams.producer import RedisStreamManager, StreamProducer
from tests.streams.tcp_proxy import Proxy
from tests.streams.test_producer import becomes, heard, publish, soft
from tests.streams.test_producer_aio import until

Redis = redis_library.Redis
Wait = Callable[..., None]
OBEYED_WITHIN = timedelta(seconds=3)


@pytest.fixture
def proxy(redis: Redis, redis_url: str) -> Iterator[Proxy]:
    """Between a producer and the server."""
    with Proxy(urlsplit(redis_url).port or 6379) as between:
        yield between


def of_a_service(url: str) -> Redis:
    """A client as services have it; the console's own does not ask again soon where nothing answered."""
    return Redis.from_url(url)


def test_a_subscription_that_hangs_without_an_error(redis: Redis, proxy: Proxy, wait_until: Wait) -> None:
    """Says: the producer, with the version of the limits that it holds.
    Recovers: within 3 s: limits are read every 1.5 s, whatever is heard.
    Keeps: limits in force.
    """
    publish(redis, soft(200))
    with of_a_service(proxy.url) as client, StreamProducer(client, trim=False) as producer:
        wait_until(lambda: heard(redis), "it listens")
        proxy.hang()
        publish(redis, soft(20))
        wait_until(lambda: producer.version == 2, "the edit is obeyed", within=OBEYED_WITHIN)
        publish(redis, soft(10))
        wait_until(lambda: producer.version == 3, "and the next one", within=OBEYED_WITHIN)


def test_a_subscription_that_hangs_by_asyncio(redis: Redis, proxy: Proxy) -> None:
    """Says: the producer, with the version of the limits that it holds.
    Recovers: within 3 s.
    Keeps: limits in force.
    """
    publish(redis, soft(200))

    async def hang() -> None:
        async with redis_library.asyncio.Redis.from_url(proxy.url) as client:
            manager = RedisStreamManager(client, trim=False)
            await manager.start()
            await until(lambda: heard(redis), "it listens")
            proxy.hang()
            publish(redis, soft(20))
            await until(lambda: manager.version == 2, "the edit is obeyed", within=OBEYED_WITHIN.total_seconds())
            await manager.stop()

    asyncio.run(hang())


@pytest.mark.parametrize(
    "garbage",
    [
        {":version": "9", "orders": b"\xff{"},
        {":version": "x"},
        {":version": "9", "orders": '{"v": 1}', b"\xff": b"\xff", "": "[]", "[": "null"},
        "a string where a hash was",
    ],
)
def test_garbage_changes_no_limit_and_the_next_edit_does(
    redis: Redis, wait_until: Wait, garbage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Says: nothing; the producer warns in its log.
    Recovers: at the next edit, or when beat publishes again (30 s).
    Keeps: the limits that were in force before the garbage.
    """
    publish(redis, soft(20))
    with StreamProducer(redis, trim=False) as producer, caplog.at_level(logging.WARNING):
        producer.xadd_many("orders", ({"n": n} for n in range(50)))
        wait_until(lambda: heard(redis), "it listens")
        reads = _reads_of(producer)
        redis.delete(LIMITS_KEY)
        redis.hset(LIMITS_KEY, mapping=garbage) if isinstance(garbage, dict) else redis.set(LIMITS_KEY, garbage)
        before = len(reads)
        redis.publish(CHANNEL, "")
        wait_until(lambda: len(reads) > before + 1, "it has read the garbage, from its start on")
        producer.xadd_many("orders", ({"n": n} for n in range(50)))
        assert redis.xlen("orders") == 20
        redis.delete(LIMITS_KEY)
        publish(redis, soft(10))
        wait_until(becomes(producer, redis, 10), "the next edit acts", within=OBEYED_WITHIN)


def _reads_of(producer: StreamProducer) -> list[int]:
    """Grows with every attempt to read the limits, also one that fails."""
    reads: list[int] = []
    keeper: Any = producer._keeper
    reload = keeper.reload

    def counted(**how: Any) -> None:
        reload(**how)
        reads.append(1)

    keeper.reload = counted
    return reads

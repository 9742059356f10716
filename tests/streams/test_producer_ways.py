"""streams.producer: an explicit maxlen, streams without a limit, and the synchronous twin."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_library
import redis.asyncio as redis_asyncio

from streams.engine.wire import KNOWN_KEY
from streams.producer import (
    RedisStreamManager,
    StreamProducer,
    _process,
    get_stream_manager,
    initialize_stream_manager,
)
from tests.streams.factories import fill, make_group, make_limit
from tests.streams.test_producer import heard, publish, soft

Redis = redis_library.Redis


@pytest.fixture(autouse=True)
def no_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_process, "_manager", None)


# --- an explicit maxlen ----------------------------------------------------------------------------------------------


def filled(producer: StreamProducer, client: Redis, stream: str, *, maxlen: int | None) -> int:
    for n in range(60):
        producer.xadd(stream, {"n": n}, maxlen)
    return int(client.xlen(stream))


def test_an_explicit_maxlen_only_tightens(redis: Redis) -> None:
    publish(redis, soft(20))
    with StreamProducer(redis) as producer:
        assert filled(producer, redis, "orders", maxlen=1_000_000) == 20
        assert filled(producer, redis, "orders", maxlen=5) == 5
        assert filled(producer, redis, "orders", maxlen=None) == 20


def test_an_explicit_maxlen_bounds_a_stream_without_a_limit(redis: Redis) -> None:
    with StreamProducer(redis, trim=False) as producer:
        for n in range(500):
            producer.xadd("strays", {"n": n}, maxlen=100)
        assert 100 <= redis.xlen("strays") <= 199
        assert producer.get_stats()["unmatched"] == ["strays"]


def test_an_explicit_maxlen_below_a_ceiling_is_obeyed_and_said_once(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """XADD knows no groups: the service that says so takes what they have not read."""
    publish(redis, make_limit("orders", 1000))
    with StreamProducer(redis) as producer, caplog.at_level(logging.WARNING):
        for n in range(500):
            producer.xadd("orders", {"n": n}, maxlen=100)
        assert redis.xlen("orders") < 200
    assert caplog.text.count("below its ceiling of 3000") == 1


@pytest.mark.parametrize("maxlen", [0, -1, 2**63, True, "100", 1.5])
def test_a_maxlen_that_is_none_is_refused(redis: Redis, maxlen: Any) -> None:
    with StreamProducer(redis) as producer, pytest.raises(ValueError, match="maxlen of an entry of 'orders' must be"):
        producer.xadd("orders", {"n": 1}, maxlen)
    assert not redis.exists("orders")


@pytest.mark.parametrize("entries", [1, 9, 95, 100, 1234])
def test_after_a_batch_a_stream_is_within_a_node_of_its_limit(redis: Redis, entries: int) -> None:
    """Although only some of its entries carry the limit; an exact one is carried by each."""
    redis.config_set("stream-node-max-entries", 1)  # `~` is exact, then: nothing hides in a node
    try:
        fill(redis, "orders", 700)
        publish(redis, make_limit("orders", 500, protect_groups=False), soft(5, "trades"))
        with StreamProducer(redis) as producer:
            for stream, most in (("orders", 700 + entries - 50 * (entries // 10)), ("trades", 5)):
                producer.xadd_many(stream, ({"n": n} for n in range(entries)))
                assert redis.xlen(stream) <= max(most, 500)
            producer.xadd_many("orders", ({"n": n} for n in range(entries)))
            assert redis.xlen("orders") == 500
    finally:
        redis.config_set("stream-node-max-entries", 100)


# --- streams without a limit -----------------------------------------------------------------------------------------


def test_streams_without_a_limit_may_get_one_by_default(redis: Redis, wait_until: Callable[..., None]) -> None:
    publish(redis, make_limit("off", enabled=False))
    with StreamProducer(redis, unmatched_maxlen=50) as producer:
        for stream in ("strays", "off"):
            producer.xadd_many(stream, ({"n": n} for n in range(1000)))
        assert 50 <= redis.xlen("strays") <= 149
        assert redis.xlen("off") == 1000, "a limit that is switched off is a decision"
        stats = producer.get_stats()
        assert (stats["unmatched"], stats["unmatched_adds"], stats["unmatched_maxlen"]) == (["strays"], 1000, 50)
        assert stats["configured_streams"] == ["off"]
        wait_until(lambda: redis.sismember(KNOWN_KEY, "strays"), "the console can see it")
        publish(redis, soft(10, "strays"), make_limit("off", enabled=False))
        wait_until(lambda: producer.version == 2, "the limit is read")
        producer.xadd("strays", {"n": 1})
        assert redis.xlen("strays") == 10
        assert producer.get_stats()["unmatched"] == []


def test_a_default_that_is_no_limit_is_refused(redis: Redis) -> None:
    with pytest.raises(ValueError, match="unmatched_maxlen must be None or from 1"):
        StreamProducer(redis, unmatched_maxlen=0)


# --- the synchronous twin --------------------------------------------------------------------------------------------


def test_a_synchronous_client_gives_the_synchronous_twin(redis: Redis) -> None:
    """The guide's names, without await."""
    publish(redis, make_limit("snapshots:raw"), make_limit("tickers:filtered", 500))
    stream_manager = initialize_stream_manager(redis)
    stream_manager.start()
    assert get_stream_manager() is stream_manager
    id = stream_manager.xadd("snapshots:raw", {"data": {"AAPL": {"price": 187.2}}})
    assert redis.xrange("snapshots:raw") == [(id, {b"data": b'{"AAPL":{"price":187.2}}'})]
    assert stream_manager.get_stats() == {
        "is_running": True,
        "active_trim_tasks": 0,
        "total_adds": 1,
        "total_trims": 0,
        "bytes_trimmed": 0,
        "configured_streams": ["snapshots:raw", "tickers:filtered"],
        "version": 1,
        "unmatched": [],
        "unmatched_adds": 0,
        "unmatched_maxlen": None,
    }
    redis.set("tickers:filtered", "no stream", ex=60)
    assert sorted(stream_manager.get_all_streams_info(), key=lambda info: info["stream"]) == [
        {"stream": "snapshots:raw", "length": 1, "maxlen": 1000, "usage_percent": 0.1},
        {"stream": "tickers:filtered", "length": None, "maxlen": 500, "usage_percent": None},
    ]
    stream_manager.stop()
    assert not stream_manager.get_stats()["is_running"]


def test_the_twins_answer_by_the_same_names() -> None:
    def names(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert names(StreamProducer) - names(RedisStreamManager) == {"xadd_many"}
    assert names(RedisStreamManager) <= names(StreamProducer)


def test_alone_the_twin_trims_by_the_guides_limits(redis: Redis, wait_until: Callable[..., None]) -> None:
    redis.script_flush()
    fill(redis, "snapshots:raw", 5000)
    fill(redis, "events:session", 500)
    make_group(redis, "events:session", "reader", read=250, acknowledged=250)
    manager = initialize_stream_manager(redis)
    for _ in range(2):  # it may be stopped and started again
        with manager:
            wait_until(lambda: manager.get_stats()["total_trims"] >= 2, "both are trimmed")
            assert redis.xlen("snapshots:raw") <= 1099
            assert 250 <= redis.xlen("events:session") <= 350, "what the group has not read stays"
            assert manager.get_stats()["active_trim_tasks"] == 5
            assert manager.get_stats()["bytes_trimmed"] > 10_000
        assert manager.get_stats()["active_trim_tasks"] == 0
    with manager:
        wait_until(lambda: heard(redis), "it listens")
        publish(redis, make_limit())
        wait_until(lambda: manager.get_stats()["active_trim_tasks"] == 0, "it leaves it to the console")


def test_told_to_the_twin_trims_beside_a_console_by_the_limits_in_force(
    redis: Redis, wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    fill(redis, "orders", 5000)
    redis.set("trades", "no stream", ex=60)
    publish(redis, make_limit("trades"), make_limit("orders", protect_groups=False), make_limit("off", enabled=False))
    with caplog.at_level(logging.WARNING), initialize_stream_manager(redis, trim=True) as manager:
        wait_until(lambda: redis.xlen("orders") <= 1099, "orders is trimmed")
        assert manager.get_stats()["active_trim_tasks"] == 2
    assert caplog.text.count("trades was not trimmed") == 1


def test_what_is_no_client_is_refused_by_name(redis: Redis, redis_url: str) -> None:
    class NotYet:
        client = None

    class Wrapped:
        client = redis

    for wrong in (NotYet(), object(), None):
        with pytest.raises(TypeError, match=r"is no redis.asyncio or redis.Redis client.*connected"):
            initialize_stream_manager(wrong)
    with pytest.raises(TypeError, match=r"is no redis.asyncio client"):
        RedisStreamManager(redis)
    with pytest.raises(TypeError, match=r"is no redis.Redis client"):
        StreamProducer(redis_asyncio.Redis.from_url(redis_url))
    assert isinstance(initialize_stream_manager(Wrapped()), StreamProducer)

"""streams.producer, synchronous: an edited limit acts on the next entries, whatever happens to the connection."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis as redis_library

from streams import store
from streams.engine.limits import Limit
from streams.engine.wire import CHANNEL, KNOWN_KEY, LIMITS_KEY, VERSION_FIELD, to_wire
from streams.producer import NotStarted, StreamProducer
from streams.producer._xadd import options_of
from tests.streams.factories import make_limit, rule_of
from tradeul_ops import connections
from tradeul_ops.demo.servers import ValkeyServer, free_port

Redis = redis_library.Redis
SECOND = timedelta(seconds=1)


def publish(client: Redis, *limits: Limit) -> int | None:
    wanted = {limit.stream: to_wire(rule_of(limit)) for limit in limits}
    return store.publish_limits(client, wanted, compared=store.read_published(client))


def soft(maxlen: int, stream: str = "orders") -> Limit:
    """Exact and unprotected: every XADD leaves `maxlen` entries."""
    return make_limit(stream, maxlen, approximate=False, protect_groups=False)


def heard(client: Redis) -> bool:
    return dict(client.pubsub_numsub(CHANNEL))[CHANNEL.encode()] > 0


@pytest.fixture
def producer(redis: Redis, wait_until: Callable[..., None]) -> Iterator[StreamProducer]:
    """Started and listening; no limits are published yet."""
    with StreamProducer(redis, name="polygon_ws", trim=False) as started:
        wait_until(lambda: heard(redis), "the producer listens")
        yield started


def test_a_producer_from_start_to_stop(redis: Redis) -> None:
    """What another service writes."""
    publish(redis, soft(100))
    with StreamProducer(redis, name="polygon_ws") as producer:
        assert producer.xadd("orders", {"symbol": "NVDA", "price": "181.2"}) == redis.xrange("orders")[0][0]
        ids = producer.xadd_many("orders", ({"n": n} for n in range(250)))
        assert len(ids) == len(set(ids)) == 250
        assert redis.xlen("orders") == 100
        assert redis.xrevrange("orders", count=1)[0] == (ids[-1], {b"n": b"249"})
        stats = producer.get_stats()
        assert (stats["is_running"], stats["version"], stats["total_adds"], stats["unmatched"]) == (True, 1, 251, [])
        (seen,) = store.read_producers(redis)
        assert (seen.name, seen.version) == ("polygon_ws", 1)
    assert store.read_producers(redis) == ()
    producer.xadd("orders", {"late": "1"})
    assert redis.xlen("orders") == 100
    assert not producer.get_stats()["is_running"]


@pytest.mark.parametrize(
    ("limit", "options"),
    [
        (None, ()),
        (make_limit(enabled=False), ()),
        (make_limit(), (b"MAXLEN", b"~", b"3000", b"LIMIT", b"500")),
        (make_limit(approximate=False), (b"MAXLEN", b"=", b"3000")),
        (make_limit(protect_groups=False), (b"MAXLEN", b"~", b"1000", b"LIMIT", b"500")),
        (make_limit(protect_groups=False, approximate=False), (b"MAXLEN", b"=", b"1000")),
    ],
)
def test_a_limit_becomes_the_options_of_xadd(limit: Limit | None, options: tuple[object, ...]) -> None:
    assert options_of(limit) == options


# --- a limit that changes --------------------------------------------------------------------------------------------


def becomes(producer: StreamProducer, client: Redis, length: int, stream: str = "orders") -> Callable[[], bool]:
    def added() -> bool:
        producer.xadd(stream, {"n": "1"})
        return int(client.xlen(stream)) == length

    return added


def test_an_edit_acts_within_a_second(redis: Redis, producer: StreamProducer, wait_until: Callable[..., None]) -> None:
    publish(redis, soft(200))
    wait_until(lambda: producer.version == 1, "the first limits are read", within=SECOND)
    producer.xadd_many("orders", ({"n": n} for n in range(200)))
    publish(redis, soft(20))
    wait_until(becomes(producer, redis, 20), "the new limit acts", within=SECOND)
    publish(redis, soft(30))
    wait_until(becomes(producer, redis, 30), "a wider limit acts too", within=SECOND)


def test_an_edit_acts_although_the_subscription_was_killed(
    redis: Redis, producer: StreamProducer, wait_until: Callable[..., None]
) -> None:
    """What is said between the loss and redis-py's silent return is never heard: returning counts as word."""
    publish(redis, soft(200))
    wait_until(lambda: producer.version == 1, "the first limits are read", within=SECOND)
    redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    publish(redis, soft(20))
    wait_until(becomes(producer, redis, 20), "the new limit acts", within=timedelta(seconds=3))
    wait_until(lambda: heard(redis), "the producer listens again")
    publish(redis, soft(10))
    wait_until(becomes(producer, redis, 10), "and hears", within=SECOND)


def test_an_edit_acts_although_nobody_said_so(
    redis: Redis, producer: StreamProducer, wait_until: Callable[..., None]
) -> None:
    publish(redis, soft(200))
    wait_until(lambda: producer.version == 1, "the first limits are read", within=SECOND)
    for maxlen in (20, 10):  # the first may be read by a reload that something said before it brought about
        redis.hset(LIMITS_KEY, "orders", to_wire(rule_of(soft(maxlen))))
        wait_until(becomes(producer, redis, maxlen), "the new limit acts", within=timedelta(seconds=4))


def test_a_limit_that_is_taken_away_or_given(
    redis: Redis, producer: StreamProducer, wait_until: Callable[..., None]
) -> None:
    publish(redis, soft(10), soft(10, "trades"))
    wait_until(lambda: producer.version == 1, "the first limits are read", within=SECOND)
    producer.xadd_many("orders", ({"n": n} for n in range(50)))
    publish(redis, soft(10, "trades"))
    wait_until(lambda: producer.version == 2, "the limits without orders are read", within=SECOND)
    producer.xadd_many("orders", ({"n": n} for n in range(50)))
    assert redis.xlen("orders") == 60
    assert producer.get_stats()["unmatched"] == ["orders"]
    publish(redis, soft(10))
    wait_until(becomes(producer, redis, 10), "the limit acts again", within=SECOND)


def test_a_limit_that_cannot_be_read_leaves_the_one_before_it(
    redis: Redis, producer: StreamProducer, wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    publish(redis, soft(10), soft(10, "trades"))
    wait_until(lambda: producer.version == 1, "the first limits are read", within=SECOND)
    with caplog.at_level(logging.WARNING):
        redis.hset(LIMITS_KEY, mapping={"orders": "{", "trades": to_wire(rule_of(soft(5, "trades"))), VERSION_FIELD: 2})
        redis.publish(CHANNEL, 2)
        wait_until(lambda: producer.version == 2, "the next version is read", within=SECOND)
    assert "orders" in caplog.text
    for stream, length in (("orders", 10), ("trades", 5)):
        producer.xadd_many(stream, ({"n": n} for n in range(50)))
        assert redis.xlen(stream) == length


def test_limits_that_vanish_are_kept(redis: Redis, producer: StreamProducer, wait_until: Callable[..., None]) -> None:
    """A FLUSHALL is no decision to let streams grow; the console publishes again within half a minute."""
    publish(redis, soft(10))
    wait_until(lambda: producer.version == 1, "the limits are read", within=SECOND)
    redis.flushall()
    redis.publish(CHANNEL, "")
    wait_until(lambda: store.read_producers(redis), "the producer has reloaded")
    producer.xadd_many("orders", ({"n": n} for n in range(50)))
    assert redis.xlen("orders") == 10


def test_a_server_that_restarts_costs_no_limit(tmp_path: Path, wait_until: Callable[..., None]) -> None:
    server = ValkeyServer(tmp_path / "restarts", free_port())
    server.start()
    client = connections.client(server.url)
    publish(client, soft(10))
    with StreamProducer(client) as producer:
        producer.xadd_many("orders", ({"n": n} for n in range(50)))
        server.stop()
        with pytest.raises(redis_library.ConnectionError):
            producer.xadd("orders", {"n": "1"})
        assert producer.version == 1
        server.start()
        wait_until(lambda: heard(client), "the producer listens again")
        publish(client, soft(5))
        wait_until(becomes(producer, client, 5), "an edit acts", within=SECOND)
    client.close()
    server.stop()


# --- without a console, without a limit, without a start -------------------------------------------------------------


def test_without_published_limits_the_guides_hold(redis: Redis, producer: StreamProducer) -> None:
    producer.xadd_many("events:session", ({"n": n} for n in range(1000)))
    assert 300 <= redis.xlen("events:session") <= 399
    assert producer.version is None


def test_published_limits_replace_the_defaults_even_if_there_are_none(
    redis: Redis, producer: StreamProducer, wait_until: Callable[..., None]
) -> None:
    publish(redis)
    wait_until(lambda: producer.version == 1, "the limits are read", within=SECOND)
    producer.xadd_many("events:session", ({"n": n} for n in range(1000)))
    assert redis.xlen("events:session") == 1000


def test_a_stream_without_a_limit_is_counted_and_told(
    redis: Redis, producer: StreamProducer, wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        producer.xadd("strays", {"n": "1"})
        producer.xadd(b"strays", {"n": "1"})
    assert "strays has no limit" in caplog.text
    stats = producer.get_stats()
    assert (stats["unmatched"], stats["unmatched_adds"], stats["total_adds"]) == (["strays"], 2, 2)
    wait_until(lambda: redis.smembers(KNOWN_KEY) == {b"strays"}, "the console can see it")


def test_adding_before_the_limits_are_read_is_refused(redis: Redis) -> None:
    producer = StreamProducer(redis, name="hasty")
    with pytest.raises(NotStarted, match="hasty is not started: call start"):
        producer.xadd("orders", {"n": "1"})
    with pytest.raises(NotStarted):
        producer.xadd_many("orders", [{"n": "1"}])
    assert not redis.exists("orders")


def test_starting_while_redis_is_away_goes_by_the_defaults(caplog: pytest.LogCaptureFixture) -> None:
    nowhere = connections.client(f"redis://127.0.0.1:{free_port()}/0")
    with caplog.at_level(logging.WARNING), StreamProducer(nowhere) as producer:
        with pytest.raises(redis_library.ConnectionError):
            producer.xadd("orders", {"n": "1"})
        assert producer.version is None
    assert caplog.text.count("Keeping the limits last known") == 1


def test_threads_share_a_producer(redis: Redis, producer: StreamProducer) -> None:
    def add() -> None:
        for n in range(50):
            producer.xadd(f"stream:{n % 5}", {"n": n})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(redis.xlen(f"stream:{n}") for n in range(5)) == 200


def test_a_service_may_decode_its_answers(redis_url: str, redis: Redis) -> None:
    publish(redis, soft(10))
    with Redis.from_url(redis_url, decode_responses=True) as client, StreamProducer(client) as producer:
        assert producer.xadd("orders", {"n": "1"}) == client.xrange("orders")[0][0]
        assert producer.version == 1


def test_importing_the_library_brings_no_django(repository: Path) -> None:
    code = "import sys, streams.producer; sys.exit('django' in sys.modules or 'celery' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=repository, check=False).returncode == 0

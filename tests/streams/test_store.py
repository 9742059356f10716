"""store: reads all streams at once, publishes limits, and names what went wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis as redis_library

from streams import store
from streams.engine import producers
from streams.engine.plan import plan_trim
from streams.engine.state import StreamState
from streams.engine.trimming import Trimming
from streams.engine.wire import CHANNEL, LIMITS_KEY, to_wire
from tests.streams.factories import fill, make_group, make_limit, make_rule, rule_of
from tradeul_ops import connections
from tradeul_ops.demo.servers import ValkeyServer, free_port

Redis = redis_library.Redis


def read(client: Redis, stream: str) -> StreamState:
    state = store.read_states(client, [stream])[stream]
    assert isinstance(state, StreamState)
    return state


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_stream_is_read_with_its_groups(redis: Redis) -> None:
    fill(redis, "orders", 300)
    redis.xtrim("orders", minid="101-0", approximate=False)
    make_group(redis, "orders", "scanner", read=150, acknowledged=100)
    state = read(redis, "orders")
    assert (state.exists, state.length, state.entries_added) == (True, 200, 300)
    assert (state.first_id, state.last_id) == ("101-0", "300-0")
    assert state.bytes == redis.memory_usage("orders", samples=0)
    (group,) = state.groups
    assert (group.name, group.pending, group.consumers, group.last_delivered_id) == ("scanner", 50, 1, "250-0")
    assert group.lag == 50


def test_a_lag_that_redis_cannot_compute_is_none(redis: Redis) -> None:
    fill(redis, "orders", 10)
    redis.xgroup_create("orders", "middle", "5-0")
    redis.xgroup_create("orders", "tail", "$")
    lags = {group.name: group.lag for group in read(redis, "orders").groups}
    assert lags == {"middle": None, "tail": 0}


def test_streams_that_are_absent_empty_or_no_streams_cost_the_others_nothing(redis: Redis) -> None:
    fill(redis, "orders", 3)
    redis.xgroup_create("empty", "g", mkstream=True)
    redis.set("test:string", "x")
    states = store.read_states(redis, ["orders", "absent", "test:string", "empty"])
    assert states["orders"].length == 3
    assert states["absent"] == StreamState(stream="absent")
    assert isinstance(states["test:string"], store.WrongType)
    assert states["test:string"].stream == "test:string"
    assert (states["empty"].exists, states["empty"].length, states["empty"].first_id) == (True, 0, None)
    assert states["empty"].groups[0].lag == 0


def test_reading_nothing_asks_nothing(redis: Redis) -> None:
    assert store.read_states(redis, []) == {}


def test_scripts_are_sent_again_after_the_server_forgot_them(redis: Redis) -> None:
    fill(redis, "orders", 2000)
    redis.script_flush()
    state = read(redis, "orders")
    redis.script_flush()
    trimming = Trimming(plan_trim(state, limit=make_limit(), due=True))
    store.trim(redis, [trimming], until=float("inf"))
    assert redis.xlen("orders") <= 1099


def test_the_servers_memory_is_read(redis: Redis) -> None:
    memory = store.read_memory(redis)
    info = redis.info()
    assert 0 < memory.used_bytes <= memory.peak_bytes
    assert memory.rss_bytes
    assert memory.maxmemory_bytes is None
    assert memory.policy == "noeviction"
    assert not memory.evicts_whole_keys
    assert memory.version.split()[1] == info.get("valkey_version", info["redis_version"])


def test_a_policy_that_evicts_whole_streams_is_told(redis: Redis) -> None:
    redis.config_set("maxmemory-policy", "allkeys-lru")
    redis.config_set("maxmemory", 10**9)
    try:
        memory = store.read_memory(redis)
        assert memory.evicts_whole_keys
        assert memory.maxmemory_bytes == 10**9
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", 0)


# --- publishing ------------------------------------------------------------------------------------------------------


def wanted(*limits: object) -> dict[str, str]:
    return {limit.stream: to_wire(rule_of(limit)) for limit in limits}


def publish(client: Redis, limits: dict[str, str]) -> int | None:
    return store.publish_limits(client, limits, compared=store.read_published(client))


def test_only_what_differs_is_published_and_said(redis: Redis) -> None:
    heard = redis.pubsub(ignore_subscribe_messages=True)
    heard.subscribe(CHANNEL)
    heard.get_message(timeout=5)
    orders, trades = make_limit("orders"), make_limit("trades")
    assert publish(redis, wanted(orders, trades)) == 1
    assert heard.get_message(timeout=5)["data"] == b"1"
    assert publish(redis, wanted(orders, trades)) == 1
    assert heard.get_message(timeout=0.05) is None
    assert publish(redis, wanted(make_limit("orders", maxlen=7))) == 2
    published = store.read_published(redis)
    assert published.version == 2
    assert {name: text.decode() for name, text in published.limits.items()} == wanted(make_limit("orders", maxlen=7))
    heard.close()


def test_no_limits_at_all_are_published_once_too(redis: Redis) -> None:
    """Else a producer would think that there is no console, and go by its defaults."""
    assert publish(redis, {}) == 1
    assert publish(redis, {}) == 1


def test_what_somebody_else_wrote_into_the_hash_is_put_right(redis: Redis) -> None:
    publish(redis, wanted(make_limit("orders")))
    redis.hset(LIMITS_KEY, mapping={"orders": "junk", "foreign": "junk"})
    publish(redis, wanted(make_limit("orders")))
    assert redis.hgetall(LIMITS_KEY) == {b"orders": to_wire(make_rule("orders")).encode(), b":version": b"2"}


def test_of_two_who_publish_the_one_with_older_rows_is_told(redis: Redis) -> None:
    before = store.read_published(redis)
    publish(redis, wanted(make_limit("orders", maxlen=2)))
    assert store.publish_limits(redis, wanted(make_limit("orders", maxlen=1)), compared=before) is None
    assert store.read_published(redis).limits["orders"].decode() == to_wire(make_rule("orders", maxlen=2))


def test_hundreds_of_limits_are_published_in_one_go(redis: Redis) -> None:
    many = wanted(*(make_limit(f"stream:{n}") for n in range(3000)))
    assert publish(redis, many) == 1
    assert len(store.read_published(redis).limits) == 3000
    assert publish(redis, {}) == 2
    assert store.read_published(redis).limits == {}


# --- producers -------------------------------------------------------------------------------------------------------


def test_producers_that_fell_silent_are_left_out_and_swept(redis: Redis) -> None:
    now = datetime.fromtimestamp(redis.time()[0], tz=UTC)
    for name, age in (("alive", 59), ("silent", 61)):
        seen = producers.ProducerSeen(
            id=name, name=name, host="h", pid=1, version=3, seen_at=now - timedelta(seconds=age), adds=5
        )
        redis.hset(producers.PRODUCERS_KEY, name, producers.to_wire(seen))
    redis.hset(producers.PRODUCERS_KEY, "junk", "{")
    assert [seen.id for seen in store.read_producers(redis)] == ["alive"]
    assert store.sweep_producers(redis) == 2
    assert redis.hkeys(producers.PRODUCERS_KEY) == [b"alive"]
    assert store.sweep_producers(redis) == 0


# --- errors ----------------------------------------------------------------------------------------------------------


def test_a_server_that_is_away_is_unavailable() -> None:
    nowhere = connections.client(f"redis://127.0.0.1:{free_port()}/0")
    for call in (
        lambda: store.read_states(nowhere, ["orders"]),
        lambda: store.read_published(nowhere),
        lambda: store.publish_limits(nowhere, {}, compared=store.Published(None, {})),
        lambda: store.read_producers(nowhere),
        lambda: store.read_memory(nowhere),
        lambda: store.trim(nowhere, [Trimming(plan())], until=float("inf")),
    ):
        with pytest.raises(store.StoreUnavailable, match="does not answer"):
            call()


def test_trimming_what_is_no_stream_names_it(redis: Redis) -> None:
    redis.set("test:string", "x")
    for protect in (True, False):
        refused, trimmed = Trimming(plan(stream="test:string", protect_groups=protect)), Trimming(plan("orders"))
        fill(redis, "orders", 5000)
        store.trim(redis, [refused, trimmed], until=float("inf"))
        assert refused.over and refused.refused.startswith("test:string is no stream") and not refused.trimmed
        assert trimmed.done and redis.xlen("orders") <= 1099, "and costs the others nothing"
        redis.delete("orders")


def test_a_command_that_is_not_allowed_is_told_in_the_servers_words(redis: Redis) -> None:
    redis.execute_command("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all", "-eval", "-evalsha")
    options = redis.connection_pool.connection_kwargs
    reader = Redis(host=options["host"], port=options["port"], username="reader", password="secret", protocol=2)
    try:
        refused = Trimming(plan())
        store.trim(reader, [refused], until=float("inf"))
        assert re.match(r".*orders.*no permissions", refused.refused)
    finally:
        reader.close()
        redis.execute_command("ACL", "DELUSER", "reader")


def plan(stream: str = "orders", **changes: object) -> object:
    state = StreamState(stream=stream, exists=True, length=5000)
    return plan_trim(state, limit=make_limit(stream, **changes), due=True)


# --- cluster ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of one node, which owns every slot: what a cluster client may not do, it may not do here either."""
    options = {"save": "", "cluster-enabled": "yes", "cluster-port": str(free_port())}  # by default port + 10000
    server = ValkeyServer(tmp_path_factory.mktemp("cluster"), free_port(), options=options)
    server.start()
    with Redis.from_url(server.url) as node:
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    yield server.url.replace("redis://", "redis+cluster://").removesuffix("/0")
    server.stop()


def test_a_cluster_is_read_trimmed_and_published_to(cluster_url: str, wait_until) -> None:
    with Redis.from_url(cluster_url.replace("+cluster", "")) as node:
        wait_until(lambda: node.cluster("info")["cluster_state"] == "ok", "the cluster is up")
    client = connections.client(cluster_url)
    try:
        for stream in ("orders", "trades"):
            fill(client, stream, 3000)
        states = store.read_states(client, ["orders", "trades", "absent"])
        assert [states[name].length for name in ("orders", "trades", "absent")] == [3000, 3000, 0]
        for protect in (True, False):
            stream = "orders" if protect else "trades"
            trimming = Trimming(plan_trim(states[stream], limit=make_limit(stream, protect_groups=protect), due=True))
            store.trim(client, [trimming], until=float("inf"))
            assert client.xlen(stream) <= 1099
        assert publish(client, wanted(make_limit())) == 1
        assert store.read_memory(client).used_bytes > 0
        assert store.read_producers(client) == ()
        assert store.sweep_producers(client) == 0
    finally:
        client.close()

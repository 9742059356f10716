"""services.discovery: every stream is found, by SCAN or because a producer said so, and a limit for it is suggested."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis as redis_library

from streams import services, store
from streams.engine.state import GroupState, StreamState
from streams.engine.suggest import round_up, suggest_limit
from streams.engine.wire import KNOWN_KEY
from streams.metrics import streams_summary
from streams.models import Stream
from streams.services import discovery
from tests.streams.factories import fill, make_row

Redis = redis_library.Redis
NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("no_limits")


def test_streams_are_found_and_other_keys_are_not(redis: Redis) -> None:
    for number in range(1500):
        redis.set(f"test:{number}", "", px=10_000)
    for name in ("orders", "trades"):
        fill(redis, name, 3)
    assert services.discover_streams(now=NOW) == 2
    assert dict(Stream.objects.values_list("name", "seen_at")) == {"orders": NOW, "trades": NOW}
    assert services.discover_streams(now=NOW) == 0
    assert streams_summary(now=NOW).unmanaged == ("orders", "trades")


def test_a_scan_goes_on_where_the_last_one_stopped(redis: Redis) -> None:
    for number in range(5000):
        redis.set(f"test:{number}", "", px=20_000)
    fill(redis, "orders", 1)
    cursor, found = store.ScanCursor(), set()
    runs = 0
    while not runs or any(cursor.nodes.values()):
        found |= store.scan_streams(redis, cursor, keys=1000)
        runs += 1
    assert found == {"orders"}
    assert runs >= 5, "bounded, each"


def test_what_a_producer_said_is_known_and_forgotten_with_the_stream(redis: Redis) -> None:
    fill(redis, "orders", 1)
    redis.sadd(KNOWN_KEY, "orders", "gone", b"\xff")
    assert store.read_known(redis) == {"orders"}
    assert redis.smembers(KNOWN_KEY) == {b"orders"}


def test_a_pattern_bounds_a_stream_that_was_only_found(redis: Redis) -> None:
    make_row("ord*", maxlen=100)
    fill(redis, "orders", 1000)
    services.discover_streams(now=NOW)
    services.enforce_limits(NOW)
    assert redis.xlen("orders") <= 199
    [row] = streams_summary(now=NOW).rows
    assert (row.stream, row.own, row.is_own) == ("orders", "ord*", False)


def test_a_stream_that_is_gone_for_a_day_is_forgotten_unless_a_limit_names_it(redis: Redis) -> None:
    make_row("named")
    for name in ("orders", "named"):
        fill(redis, name, 1)
    services.discover_streams(now=NOW)
    redis.delete("orders", "named")
    services.discover_streams(now=NOW + timedelta(hours=23))
    assert Stream.objects.count() == 2
    services.discover_streams(now=NOW + timedelta(hours=25))
    assert list(Stream.objects.values_list("name", flat=True)) == ["named"]


def test_a_snapshots_own_deltas_are_nobodys_to_limit(redis: Redis) -> None:
    redis.xadd("snapshot:{enriched}:deltas", {"a": 1})
    assert services.discover_streams(now=NOW) == 0


def test_names_that_are_no_text_are_left_out(redis: Redis) -> None:
    redis.xadd(b"\xff\xfe", {"a": 1})
    redis.xadd("orders", {"a": 1})
    assert services.discover_streams(now=NOW) == 1


def test_so_many_are_kept_and_no_more(redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: object) -> None:
    monkeypatch.setattr(discovery, "STREAMS_KEPT", 2)
    for name in "abc":
        fill(redis, name, 1)
    assert services.discover_streams(now=NOW) == 2
    assert Stream.objects.count() == 2


# --- what limit it might have ----------------------------------------------------------------------------------------


def state(**changes: object) -> StreamState:
    values = {"stream": "orders", "exists": True, "length": 600, "bytes": 600_000, "server_ms": 1767226200000}
    values |= {"first_id": "1767225600000-0", "last_id": "1767226200000-0"}
    return StreamState(**{**values, **changes})  # type: ignore[arg-type]


def test_ten_minutes_of_its_rate_and_twice_its_largest_lag() -> None:
    slow = GroupState(name="slow", lag=2000, pending=0, consumers=1, last_delivered_id="0-0")
    assert suggest_limit(state()).values["maxlen"] == 600
    assert suggest_limit(state(groups=(slow,))).values["maxlen"] == 4000
    assert suggest_limit(state()).why == "10 min at 1.0 entries a second are 600."
    burst = state(first_id="1767226199000-0")
    assert suggest_limit(burst).values["maxlen"] == 600, "a second's burst is no rate"


def test_large_entries_are_bounded_by_what_they_take() -> None:
    said = suggest_limit(state(bytes=600 * 1_000_000))
    assert said.values["maxlen"] == 100, "one node: fewer could not be trimmed approximately"
    assert "64.0 MB hold" in said.why


def test_where_nothing_is_known_the_usual_numbers() -> None:
    said = suggest_limit(state(length=1))
    assert (said.values["maxlen"], said.values["hard_maxlen"]) == (1000, 3000)


def test_rounding_goes_up_to_two_digits() -> None:
    assert [round_up(number) for number in (7, 99, 101, 1234, 98_765)] == [7, 99, 110, 1300, 99_000]

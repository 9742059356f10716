"""Samples are taken of what is there, in one round trip and one INSERT, thinned with age, and bounded in number."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis as redis_library
from django.db import connection
from django.test.utils import CaptureQueriesContext

from streams.engine.samples import FINE, KEPT_FOR, MINUTE, TEN_MINUTES, TICK, mark_of
from streams.models import StreamLimit, StreamSample
from streams.services import samples
from tests.streams.factories import fill, make_group, make_row, make_sample
from tradeul_ops.connections import data_redis

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 7, 1, 15, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_limits(db: None) -> None:
    StreamLimit.objects.all().delete()


def test_a_tick_keeps_what_the_server_said(redis: redis_library.Redis) -> None:
    fill(redis, "orders", 900)
    make_group(redis, "orders", "pricing", read=7, acknowledged=2)
    redis.set("test:string", "x")
    for stream in ("orders", "absent", "test:string"):
        make_row(stream)
    assert samples.take_samples(now=NOW) == 1
    row = StreamSample.objects.get()
    state = redis.xinfo_stream("orders")
    assert (row.stream, row.at, row.mark, row.length) == ("orders", NOW, TEN_MINUTES, 900)
    assert (row.entries_added, row.first_id) == (state.get("entries-added"), "1-0")
    assert row.bytes == redis.memory_usage("orders", samples=0)
    (group,) = row.sample.groups
    assert (group.name, group.lag, group.pending, group.last_delivered_id) == ("pricing", 893, 5, "7-0")
    assert (group.still_since, group.moved) == (NOW, False)


def test_what_the_server_could_not_say_stays_unknown(redis: redis_library.Redis) -> None:
    """A group that began in the middle has no lag."""
    fill(redis, "orders", 20)
    make_group(redis, "orders", "middle", start="9-0")
    make_row("orders")
    samples.take_samples(now=NOW)
    assert StreamSample.objects.get().sample.groups[0].lag is None


def test_ticks_carry_on_since_when_a_group_is_still(redis: redis_library.Redis) -> None:
    fill(redis, "orders", 20)
    make_group(redis, "orders", "pricing", read=2)
    redis.xgroup_create("orders", b"no\0text", id="0")  # a row holds that name escaped
    make_row("orders")
    for tick in range(3):
        samples.take_samples(now=NOW + tick * TICK)
    redis.xack("orders", "pricing", "1-0")
    samples.take_samples(now=NOW + 3 * TICK)
    seen = [row.sample.groups for row in StreamSample.objects.all()]
    assert [{group.name for group in groups} for groups in seen] == [{"pricing", r"no\x00text"}] * 4
    still = [group.still_since for groups in seen for group in groups if group.name == "pricing"]
    assert still == [NOW, NOW, NOW, NOW + 3 * TICK]


def test_one_round_trip_and_one_insert(redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"stream:{number}" for number in range(120)]
    for name in names:
        fill(redis, name, 1)
        make_row(name)
    samples.take_samples(now=NOW)  # the script is known now
    before = data_redis().info("commandstats")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert samples.take_samples(now=NOW + TICK) == 120
    assert sum("INSERT" in query["sql"] for query in asked) == 1
    after = data_redis().info("commandstats")
    calls = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
    assert calls["cmdstat_evalsha"] == 120
    assert len(asked) <= 13, "whatever the number of streams: of them two for a transaction, five for locks"


def test_a_tick_that_comes_twice_is_taken_once(redis: redis_library.Redis) -> None:
    fill(redis, "orders", 1)
    make_row("orders")
    assert [samples.take_samples(now=NOW) for _ in range(2)] == [1, 0]
    assert samples.take_samples(now=NOW - TICK) == 0  # a clock that was set back waits until it is there again


def test_thinning_leaves_fine_hours_minutes_and_ten_minutes(db: None) -> None:
    at, previous, rows = NOW - timedelta(days=9), None, []
    while at <= NOW:
        if at > NOW - timedelta(hours=7) or at.second == 0:  # what older fine ones there were is gone already
            rows.append(make_sample(at=at, mark=mark_of(at, previous=previous), save=False))
        at, previous = at + TICK, at
    StreamSample.objects.bulk_create(rows)
    while samples.prune_samples(now=NOW):
        pass
    left = Counter(StreamSample.objects.values_list("mark", flat=True))
    assert left == {FINE: 6 * 300, MINUTE: 48 * 54, TEN_MINUTES: 8 * 144 + 1}
    for mark, kept_for in KEPT_FOR.items():
        assert StreamSample.objects.filter(mark=mark).earliest().at >= NOW - kept_for


def test_a_run_of_pruning_is_bounded(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "ROWS_A_BATCH", 10)
    monkeypatch.setattr(samples, "BATCHES_A_RUN", 3)
    StreamSample.objects.bulk_create(
        make_sample(at=NOW - timedelta(days=30, seconds=number), save=False) for number in range(75)
    )
    assert [samples.prune_samples(now=NOW) for _ in range(4)] == [30, 30, 15, 0]


def test_beyond_the_number_the_finest_and_oldest_go(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "ROWS_KEPT", 10)
    monkeypatch.setattr(samples, "ROWS_A_BATCH", 2)
    for number in range(8):
        make_sample(at=NOW + number * TICK, mark=FINE)
        make_sample(at=NOW + number * TICK, mark=TEN_MINUTES, stream="coarse")
    assert samples.cut_samples() == 6
    assert StreamSample.objects.filter(mark=TEN_MINUTES).count() == 8
    assert StreamSample.objects.filter(mark=FINE).earliest().at == NOW + 6 * TICK


def test_the_hour_of_many_streams_is_one_query(db: None) -> None:
    for stream in ("orders", "trades"):
        for tick in range(540):
            at = NOW - tick * TICK
            make_sample(stream=stream, at=at, mark=mark_of(at, previous=at - TICK), length=tick)
    with CaptureQueriesContext(connection) as asked:
        found = samples.recent_samples(["orders", "trades", "never"], now=NOW)
    assert len(asked) == 1 and found.keys() == {"orders", "trades"}
    series = found["orders"]
    assert list(series.times) == sorted(set(series.times)) and series.times[-1] == NOW.timestamp()
    assert len(series.times) == 59 + 7 and series.times[0] == (NOW - timedelta(minutes=60)).timestamp()
    assert (series.lengths[-1], series.bytes[-1], series.entries_added[-1], series.first_id) == (0, None, None, None)
    assert len(series.groups) == 9 + 7 and series.groups[-1] == (NOW.timestamp(), [])
    assert samples.recent_samples([], now=NOW) == {}


def test_history_has_the_samples_of_its_mark(db: None) -> None:
    for tick in range(70):
        at = NOW - tick * TICK
        make_sample(at=at, mark=mark_of(at, previous=at - TICK), length=tick)
    make_sample(stream="other", at=NOW)
    between: Any = samples.samples_between
    fine = between("orders", since=NOW - timedelta(minutes=5), until=NOW)
    assert [one.length for one in fine] == [*range(29, -1, -1)]
    minutes = between("orders", since=NOW - timedelta(minutes=5), until=NOW, mark=MINUTE)
    assert [one.at.second for one in minutes] == [0] * 5

"""Bounds other than a length, on a real server: age, bytes, and groups that are not waited for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import redis as redis_library

from streams import store
from streams.engine.limits import Limit
from streams.engine.loss import lowers
from streams.engine.plan import arithmetic, entries_that_fit
from streams.engine.state import StreamState
from tests.streams.factories import fill, make_group, make_limit
from tests.streams.test_safe_trim import trim

Redis = redis_library.Redis
HOUR = 3_600_000


def aged(client: Redis, stream: str = "orders", *, hours: int = 10, each: int = 100) -> int:
    """Entries of the last `hours` hours, as many in each; returns the server's clock in ms."""
    seconds, micros = client.time()
    now = seconds * 1000 + micros // 1000
    fill(client, stream, (now - (hours * each - n) * HOUR // each for n in range(hours * each)))
    return now


def by_age(hours: float, **changes: Any) -> Limit:
    values = {"maxlen": None, "trim_threshold": None, "approximate": False, "hard_maxlen": 100_000}
    return make_limit(max_age=timedelta(hours=hours), **{**values, **changes})


def state(client: Redis, stream: str = "orders") -> StreamState:
    read = store.read_states(client, [stream], newest_of=[stream])[stream]
    assert isinstance(read, StreamState)
    return read


def test_older_entries_go_and_no_younger(redis: Redis) -> None:
    aged(redis)
    done = trim(redis, by_age(3))
    assert 299 <= redis.xlen("orders") <= 300
    assert done.trimmed == 1000 - redis.xlen("orders")
    assert timedelta(hours=2.9) < (state(redis).oldest_age or timedelta()) <= timedelta(hours=3, seconds=5)


def test_an_approximate_age_leaves_less_than_a_node_of_older_ones(redis: Redis) -> None:
    aged(redis)
    trim(redis, by_age(3, approximate=True))
    assert 300 <= redis.xlen("orders") < 400


def test_what_a_group_has_not_read_is_kept_however_old_until_the_ceiling(redis: Redis) -> None:
    aged(redis)
    make_group(redis, "orders", "slow", read=200, acknowledged=200)
    held = trim(redis, by_age(3))
    assert redis.xlen("orders") in (800, 801), "the last one it was given stays as its place"
    assert (held.held_by, held.stopped) == ("slow", "held by a group")
    forced = trim(redis, by_age(3, hard_maxlen=500))
    assert redis.xlen("orders") == 500
    assert forced.stopped == "at its ceiling"
    assert forced.losses["slow"].undelivered == 300


@pytest.mark.parametrize(("approximate", "longest"), [(True, 599), (False, 500)])
def test_the_ceiling_holds_where_nothing_is_too_old_yet(redis: Redis, approximate: bool, longest: int) -> None:
    aged(redis)
    make_group(redis, "orders", "slow")
    done = trim(redis, by_age(24, hard_maxlen=500, approximate=approximate))
    assert 500 <= redis.xlen("orders") <= longest
    assert done.losses["slow"].undelivered == done.forced == 1000 - redis.xlen("orders")


def test_ids_that_are_no_times_are_never_too_old(redis: Redis) -> None:
    fill(redis, "orders", 500)
    assert state(redis).oldest_age is None
    from streams.engine.plan import Skip, age_problem, plan_trim

    assert isinstance(plan_trim(state(redis), limit=by_age(1), due=True), Skip)
    assert "are no times" in (age_problem(by_age(1), state(redis)) or "")


def test_bytes_become_entries_by_the_size_of_the_newest(redis: Redis) -> None:
    fill(redis, "orders", 2000, size=100)
    fill(redis, "orders", range(2001, 2401), size=5000)
    limit = make_limit(maxlen=None, trim_threshold=None, max_bytes=1_000_000, approximate=False, hard_maxlen=100_000)
    fits = entries_that_fit(limit, state=state(redis))
    assert fits is not None and 180 <= fits <= 200, "1 MB of 5 KB, not of the mean"
    assert "(the newest)" in (arithmetic(limit, state=state(redis)) or "")
    trim(redis, limit)
    assert redis.xlen("orders") == fits
    assert 800_000 < redis.memory_usage("orders", samples=0) < 1_100_000


def test_a_group_whose_consumers_are_idle_is_not_waited_for(redis: Redis) -> None:
    fill(redis, "orders", 5000)
    make_group(redis, "orders", "gone", read=1000, acknowledged=900)
    waiting = make_limit(ignore_groups_idle_for=timedelta(hours=1), hard_maxlen=10_000, approximate=False)
    trim(redis, waiting)
    assert redis.xlen("orders") >= 4000, "it read a moment ago"
    ignoring = make_limit(ignore_groups_idle_for=timedelta(milliseconds=0), hard_maxlen=10_000, approximate=False)
    done = trim(redis, ignoring)
    assert redis.xlen("orders") == 1000
    assert (done.forced, done.held_by) == (0, None)
    assert (done.losses["gone"].undelivered, done.losses["gone"].pending) == (3000, 100)


def test_a_group_without_a_consumer_is_waited_for(redis: Redis) -> None:
    """Nobody can say how long it is idle: it may have been made a moment ago, for a service that starts."""
    fill(redis, "orders", 5000)
    redis.xgroup_create("orders", "new", id="0")
    trim(redis, make_limit(ignore_groups_idle_for=timedelta(0), hard_maxlen=10_000))
    assert redis.xlen("orders") == 5000


def test_what_takes_more_from_groups_lowers() -> None:
    protected, open_ = make_limit(), make_limit(protect_groups=False)
    assert lowers(None, protected) and lowers(protected, open_) and not lowers(open_, protected)
    assert lowers(protected, make_limit(ignore_groups_idle_for=timedelta(hours=1)))
    assert lowers(open_, make_limit(protect_groups=False, max_age=timedelta(hours=1)))
    assert not lowers(protected, make_limit(max_age=timedelta(hours=1))), "what they need is kept all the same"
    assert not lowers(protected, make_limit(enabled=False))

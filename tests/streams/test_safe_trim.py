"""safe_trim.lua and XTRIM on a real server: what a group still needs stays, until the ceiling."""

from __future__ import annotations

import time

import pytest
import redis as redis_library

from streams import store
from streams.engine.limits import Limit
from streams.engine.plan import Skip, plan_trim
from streams.engine.trimming import Trimming
from tests.streams.factories import fill, make_group, make_limit

Redis = redis_library.Redis


def trim(client: Redis, limit: Limit) -> Trimming:
    """As the console does it, at once."""
    read = store.read_states(client, [limit.stream], newest_of=[limit.stream])[limit.stream]
    assert not isinstance(read, store.StreamError)
    plan = plan_trim(read, limit=limit, due=True)
    assert not isinstance(plan, Skip), plan
    trimming = Trimming(plan)
    store.trim(client, [trimming], until=time.monotonic() + 10)
    assert trimming.done
    assert trimming.length == client.xlen(limit.stream)
    return trimming


def ids(client: Redis, stream: str = "orders") -> list[int]:
    return [int(id.split(b"-")[0]) for id, _ in client.xrange(stream)]


@pytest.mark.parametrize("protect", [True, False])
@pytest.mark.parametrize(("approximate", "longest"), [(True, 1099), (False, 1000)])
def test_without_groups_the_newest_maxlen_entries_stay(
    redis: Redis, protect: bool, approximate: bool, longest: int
) -> None:
    """50,003 small entries to 1,000: the seed's snapshots:raw."""
    fill(redis, "orders", 50_003)
    done = trim(redis, make_limit(protect_groups=protect, approximate=approximate))
    assert 1000 <= redis.xlen("orders") <= longest
    assert ids(redis)[-1] == 50_003
    assert done.trimmed == 50_003 - redis.xlen("orders")
    assert done.forced == 0
    assert done.held_by is None
    assert done.duration_us > 0


@pytest.mark.parametrize("approximate", [True, False])
def test_what_a_group_has_not_read_stays(redis: Redis, approximate: bool) -> None:
    fill(redis, "orders", 5000)
    make_group(redis, "orders", "scanner", read=2500, acknowledged=2500)
    done = trim(redis, make_limit(hard_maxlen=4000, approximate=approximate))
    assert 2500 < redis.xlen("orders") <= 2500 + 100
    assert redis.xreadgroup("scanner", "consumer", {"orders": ">"}, count=9999)[0][1][0][0] == b"2501-0"
    assert (done.forced, done.held_by, done.floor) == (0, "scanner", "2500-0")


@pytest.mark.parametrize("approximate", [True, False])
def test_what_is_pending_stays(redis: Redis, approximate: bool) -> None:
    """One entry that nobody acknowledged holds everything after it."""
    fill(redis, "orders", 5000)
    make_group(redis, "orders", "scanner", read=5000)
    redis.xack("orders", "scanner", *[f"{n}-0" for n in range(1, 5001) if n != 2501])
    done = trim(redis, make_limit(hard_maxlen=4000, approximate=approximate))
    assert ids(redis)[0] <= 2501 <= ids(redis)[0] + 100
    assert (done.forced, done.held_by) == (0, "scanner")


def test_the_slowest_group_counts_and_is_named(redis: Redis) -> None:
    fill(redis, "orders", 5000)
    make_group(redis, "orders", "quick", read=5000, acknowledged=5000)
    make_group(redis, "orders", "slow", read=2100, acknowledged=2100)
    done = trim(redis, make_limit())
    assert done.held_by == "slow"
    assert ids(redis)[0] <= 2101


def test_a_group_that_is_done_holds_nothing(redis: Redis) -> None:
    fill(redis, "orders", 5000)
    make_group(redis, "orders", "scanner", read=5000, acknowledged=5000)
    done = trim(redis, make_limit(approximate=False))
    assert redis.xlen("orders") == 1000
    assert done.held_by is None


@pytest.mark.parametrize(("approximate", "longest"), [(True, 3099), (False, 3000)])
def test_at_the_ceiling_the_cap_wins_and_says_what_it_cost(redis: Redis, approximate: bool, longest: int) -> None:
    fill(redis, "orders", 5000)
    make_group(redis, "orders", "abandoned")
    done = trim(redis, make_limit(approximate=approximate))
    assert 3000 <= redis.xlen("orders") <= longest
    assert done.forced == done.trimmed == 5000 - redis.xlen("orders")
    assert done.held_by == "abandoned"


def test_ids_that_stay_pending_after_their_entries_are_gone_hold_nothing(redis: Redis) -> None:
    fill(redis, "orders", 5000)
    make_group(redis, "orders", "scanner", read=5000)
    redis.xack("orders", "scanner", *[f"{n}-0" for n in range(2001, 5001)])
    redis.xtrim("orders", minid="2001-0", approximate=False)
    done = trim(redis, make_limit(approximate=False))
    assert redis.xlen("orders") == 1000
    assert done.held_by is None


def test_pending_ids_of_deleted_entries_in_the_middle_hold_nothing_for_long(redis: Redis) -> None:
    """XDEL without XACK, by several consumers: the floor stands at one after another of entries that are gone."""
    fill(redis, "orders", 5000)
    make_group(redis, "orders", "scanner", read=5000)
    deleted = [f"{n}-0" for n in range(1500, 1531, 10)]
    redis.xack("orders", "scanner", *[f"{n}-0" for n in range(1, 5001) if f"{n}-0" not in deleted])
    redis.xdel("orders", *deleted)
    done = trim(redis, make_limit())
    assert redis.xlen("orders") <= 1100
    assert done.held_by is None


def test_a_group_set_back_behind_its_pending_entries_is_safe(redis: Redis) -> None:
    fill(redis, "orders", 5000)
    make_group(redis, "orders", "scanner", read=5000)
    redis.xack("orders", "scanner", *[f"{n}-0" for n in range(1, 4001)])
    redis.xgroup_setid("orders", "scanner", "2500-0")
    trim(redis, make_limit())
    assert ids(redis)[0] <= 2501
    assert 2501 in ids(redis)


def test_ids_beyond_2_to_the_53_are_not_confused(redis: Redis) -> None:
    """As Lua numbers these would all be equal."""
    start = 2**63
    for number in range(3000):
        redis.xadd("orders", {"n": number}, id=f"{start + number}-0")
    redis.xgroup_create("orders", "scanner", f"{start + 1499}-0")
    trim(redis, make_limit(approximate=False))
    assert redis.xrange("orders", count=1)[0][0] == f"{start + 1499}-0".encode()


def test_a_ceiling_near_2_to_the_63_is_as_good_as_none(redis: Redis) -> None:
    fill(redis, "orders", 3000)
    make_group(redis, "orders", "abandoned")
    done = trim(redis, make_limit(hard_maxlen=2**63 - 1, trim_threshold=2**63 - 1))
    assert done.trimmed == 0
    assert redis.xlen("orders") == 3000


@pytest.mark.parametrize("protect", [True, False])
def test_a_server_with_one_huge_node_is_bounded_all_the_same(redis: Redis, protect: bool) -> None:
    """`~` removes whole nodes only, and there would never be a whole one."""
    before = redis.config_get("stream-node-max-*")
    redis.config_set("stream-node-max-entries", 0)
    redis.config_set("stream-node-max-bytes", 0)
    try:
        fill(redis, "orders", 5000)
        trim(redis, make_limit(protect_groups=protect))
        assert redis.xlen("orders") == 1000
    finally:
        for name, value in before.items():
            redis.config_set(name, value)


def test_a_trim_out_of_time_keeps_what_it_did(redis: Redis) -> None:
    fill(redis, "orders", 5000)
    plan = plan_trim(store.read_states(redis, ["orders"])["orders"], limit=make_limit(), due=True)
    trimming = Trimming(plan)
    store.trim(redis, [trimming], until=time.monotonic() - 1)
    assert (trimming.done, trimming.trimmed) == (False, 0)
    assert trimming.held_by is None

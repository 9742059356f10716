"""Groups that nobody reads in any more: found with what is kept for them, and destroyed only as they were shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.utils import timezone

from streams import store
from streams.engine.abandoned import abandoned, needs_of, quiet_in_samples
from streams.engine.samples import GroupSample
from streams.engine.state import GroupState, StreamState
from streams.services import groups as service
from streams.services import samples
from tests.streams.factories import fill, make_group, make_row
from tradeul_ops.demo.servers import free_port

NOW = datetime(2026, 7, 1, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


# --- engine ----------------------------------------------------------------------------------------------------------


def group(**changes: Any) -> GroupState:
    values = {"name": "pricing", "lag": 40, "pending": 2, "consumers": 1, "last_delivered_id": "60-0"}
    return GroupState(**{**values, **changes})


def state(one: GroupState, **changes: Any) -> StreamState:
    values = {"stream": "orders", "exists": True, "length": 100, "bytes": 1000, "first_id": "1-0", "last_id": "100-0"}
    return StreamState(**{**values, **changes}, groups=(one,))


def seen(one: GroupState, since: datetime, *, moved: bool = False) -> dict[str, GroupSample]:
    sample = GroupSample(
        name=one.name,
        lag=one.lag,
        pending=one.pending,
        last_delivered_id=one.last_delivered_id,
        still_since=since,
        moved=moved,
    )
    return {one.name: sample}


def found(one: GroupState, *, idle: timedelta | None, samples: dict[str, GroupSample] | None = None) -> Any:
    known = {one.name: idle}
    return next(iter(abandoned(state(one), samples=samples or {}, idle=known, now=NOW, after=HOUR)), None)


def test_consumers_that_no_longer_ask_are_enough() -> None:
    told = found(group(), idle=3 * HOUR)
    assert (told.quiet_since, told.last_active, told.quiet_for(NOW)) == (NOW - 3 * HOUR, NOW - 3 * HOUR, 3 * HOUR)
    assert (told.needs.entries, told.needs.bytes, told.needs.unread, told.needs.pending) == (42, 420, 40, 2)


@pytest.mark.parametrize("idle", [timedelta(), timedelta(minutes=59)])
def test_one_that_still_asks_is_slow_not_abandoned(idle: timedelta) -> None:
    assert found(group(), idle=idle, samples=seen(group(), NOW - 9 * HOUR)) is None


def test_without_consumers_samples_must_have_seen_it_still() -> None:
    nobody = group(consumers=0)
    assert found(nobody, idle=None) is None
    assert found(nobody, idle=None, samples=seen(nobody, NOW - timedelta(minutes=59))) is None
    told = found(nobody, idle=None, samples=seen(nobody, NOW - 2 * HOUR))
    assert (told.quiet_since, told.last_active) == (NOW - 2 * HOUR, None)
    assert found(nobody, idle=None, samples=seen(nobody, NOW - 2 * HOUR, moved=True)).last_active == NOW - 2 * HOUR


@pytest.mark.parametrize("now", [{"pending": 1}, {"last_delivered_id": "61-0"}])
def test_what_moved_since_its_sample_is_active(now: dict[str, Any]) -> None:
    assert found(group(**now), idle=9 * HOUR, samples=seen(group(), NOW - 9 * HOUR)) is None


def test_a_consumer_that_was_deleted_after_it_acknowledged_still_counts_as_activity() -> None:
    assert found(group(), idle=9 * HOUR, samples=seen(group(), NOW - HOUR / 2, moved=True)) is None


def test_a_group_that_needs_nothing_holds_nothing_back() -> None:
    done = group(lag=0, pending=0, last_delivered_id="100-0")
    assert found(done, idle=9 * HOUR) is None
    assert quiet_in_samples(state(done), seen(done, NOW - 9 * HOUR), now=NOW, after=HOUR) == ()


@pytest.mark.parametrize(
    ("one", "entries"),
    [
        (group(lag=None), None),
        (group(lag=99, pending=50), 100),  # pending ids of entries that are gone
        (group(lag=100, last_delivered_id="0-0"), 100),
        (group(lag=0, pending=3), 3),
    ],
)
def test_what_it_needs_is_never_more_than_there_is_and_unknown_stays_so(one: GroupState, entries: int | None) -> None:
    needs = needs_of(one, state=state(one))
    assert needs.entries == entries and needs.bytes == (None if entries is None else entries * 10)
    assert needs_of(one, state=state(one, bytes=None)).bytes is None


def test_only_still_groups_are_worth_asking_for() -> None:
    for since, asked in ((NOW - HOUR, ("pricing",)), (NOW - HOUR / 2, ())):
        assert quiet_in_samples(state(group()), seen(group(), since), now=NOW, after=HOUR) == asked
    assert quiet_in_samples(state(group()), {}, now=NOW, after=HOUR) == ()


# --- on a server -----------------------------------------------------------------------------------------------------


@pytest.fixture
def orders(redis: redis_library.Redis, db: None) -> redis_library.Redis:
    """100 entries; `pricing` was given 10 by a consumer, `never` has none."""
    fill(redis, "orders", 100)
    make_group(redis, "orders", "pricing", read=10, acknowledged=4)
    make_group(redis, "orders", "never")
    make_row("orders")
    return redis


@pytest.fixture
def ana(db: None) -> int:
    return int(get_user_model().objects.create_superuser("ana").pk)


def read(client: redis_library.Redis) -> StreamState:
    state = store.read_states(client, ["orders"])["orders"]
    assert isinstance(state, StreamState)
    return state


def test_idle_is_of_the_last_consumer_that_asked(orders: redis_library.Redis) -> None:
    orders.xgroup_create("orders", b"\xff\\x41", id="0")
    orders.xreadgroup(b"\xff\\x41", "c", {"orders": ">"}, count=1)
    orders.set("test:string", "x")
    wanted = {"orders": ["pricing", "never", "gone", "\\xff\\x41"], "test:string": ["g"], "absent": ["g"]}
    told = store.read_idle(orders, wanted)
    assert told["test:string"] == told["absent"] == {}
    assert told["orders"].keys() == {"pricing", "never", "\\xff\\x41"}
    assert told["orders"]["never"] is None
    assert told["orders"]["pricing"] is not None and told["orders"]["pricing"] < timedelta(minutes=1)
    assert store.read_idle(orders, {}) == {}


def test_a_service_finds_them_in_samples(orders: redis_library.Redis, settings: Any) -> None:
    long_ago = timezone.now().replace(microsecond=0) - 3 * HOUR
    samples.take_samples(now=long_ago)
    newest = {"orders": samples.recent_samples(["orders"], now=long_ago)["orders"].newest_groups}
    told = service.abandoned_groups([read(orders)], newest=newest, now=timezone.now())
    (never,) = told["orders"]  # a consumer of pricing asked just now
    assert (never.name, never.needs.entries, never.last_active, never.quiet_since) == ("never", 100, None, long_ago)
    settings.ABANDONED_GROUP_AFTER = timedelta(0)
    told = service.abandoned_groups([read(orders)], newest=newest, now=timezone.now())
    assert [one.name for one in told["orders"]] == ["never", "pricing"]
    settings.ABANDONED_GROUP_AFTER = timedelta(hours=4)
    assert service.abandoned_groups([read(orders)], newest=newest, now=timezone.now()) == {}


def test_without_candidates_redis_is_not_asked(orders: redis_library.Redis, settings: Any) -> None:
    state = read(orders)
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    assert service.abandoned_groups([state], newest={}, now=timezone.now()) == {}


def preview(name: str) -> service.GroupPreview:
    return service.preview_destroy("orders", name, newest={}, now=timezone.now())


def destroy(told: service.GroupPreview, ana: int) -> None:
    service.destroy_group(told.stream, told.name, needs=told.needs, shown=told.shown, user_id=ana)


def test_a_group_is_destroyed_with_an_audit_line(orders: redis_library.Redis, ana: int) -> None:
    told = preview("pricing")
    assert (told.needs.unread, told.needs.pending, told.consumers, told.quiet) == (90, 6, 1, None)
    fill(orders, "orders", range(101, 111))  # what comes in is nobody's activity
    destroy(told, ana)
    assert [one["name"] for one in orders.xinfo_groups("orders")] == [b"never"]
    line = LogEntry.objects.get()
    assert (line.user_id, line.object_repr) == (ana, "orders")
    assert "group pricing of orders: 90 unread, 6 pending → destroyed" in line.get_change_message()


@pytest.mark.parametrize("use", ["read", "ack", "ask"])
def test_it_is_refused_once_somebody_used_the_group(orders: redis_library.Redis, ana: int, use: str) -> None:
    if use == "ask":  # all is given, so that asking gives nothing and moves nothing
        orders.xreadgroup("pricing", "consumer", {"orders": ">"})
    told = preview("pricing")
    shown = store.GroupShown(told.shown.last_delivered_id, told.shown.pending, told.shown.at_ms - 1)
    if use == "ack":
        orders.xack("orders", "pricing", "5-0")
    else:
        orders.xreadgroup("pricing", "consumer", {"orders": ">"}, count=1)
    with pytest.raises(service.GroupActive, match="somebody used pricing"):
        service.destroy_group("orders", "pricing", needs=told.needs, shown=shown, user_id=ana)
    assert len(orders.xinfo_groups("orders")) == 2 and not LogEntry.objects.exists()


def test_what_is_gone_is_told(orders: redis_library.Redis, ana: int) -> None:
    with pytest.raises(service.NoSuchGroup):
        preview("gone")
    told = preview("never")
    destroy(told, ana)
    with pytest.raises(service.NoSuchGroup, match="no group never any more"):
        destroy(told, ana)
    orders.delete("orders")
    with pytest.raises(service.NoSuchGroup):
        destroy(told, ana)
    assert LogEntry.objects.count() == 1


def test_a_key_of_another_type_is_an_error_of_the_store(orders: redis_library.Redis, ana: int) -> None:
    told = preview("never")
    orders.delete("orders")
    orders.set("orders", "x", ex=60)
    with pytest.raises(store.WrongType):
        destroy(told, ana)
    with pytest.raises(store.WrongType):
        preview("never")


def test_names_that_are_no_text_are_destroyed_too(orders: redis_library.Redis, ana: int) -> None:
    orders.xgroup_create("orders", b"\xff", id="0")
    destroy(preview("\\xff"), ana)
    assert len(orders.xinfo_groups("orders")) == 2

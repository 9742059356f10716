"""An edit in the console reaches a service's SnapshotManager at its next save, and what is wrong on the way shows."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
import redis as redis_library
import redis.asyncio as redis_asyncio
from django.contrib.auth.models import User

from snapshots import services, store, tasks
from snapshots.engine.names import keys_of
from snapshots.engine.policies import POLICIES_KEY, VERSION_FIELD
from snapshots.models import SnapshotPolicy
from snapshots.publisher import SnapshotReader, aio, sync
from tests.snapshots.factories import NOW, make_policy
from tests.snapshots.test_publisher import A, B, Clock

pytestmark = pytest.mark.django_db(transaction=True)
KEYS = keys_of("scanner")


def managed(**changes: Any) -> SnapshotPolicy:
    return make_policy("scanner", source_kind="manager", source_key="", **changes)


@pytest.fixture
def ana() -> User:
    return User.objects.create_superuser("ana")


def test_an_edit_holds_from_the_next_save(redis: redis_library.Redis, ana: User) -> None:
    """Interval, profile and threshold: the arguments are what holds while the console says nothing."""
    clock = Clock()
    manager = sync.SnapshotManager(redis, name="scanner", full_snapshot_interval=300, clock=clock)
    manager.save_snapshot(A)
    row = managed(full_snapshot_interval=timedelta(seconds=60), delta_compression_threshold=100_000)
    tasks.publish_policies()
    clock.now += 60
    saved = manager.save_snapshot(B)
    assert (saved["type"], saved["cause"]) == ("full", "interval")
    assert not redis.get(KEYS.full).startswith(b"\x28\xb5"), "stored without compression now"

    services.update_policy(row.pk, {"profile": "own", "thresholds": "price 50%\n* wait"}, user_id=ana.pk)
    saved = manager.save_snapshot(B)
    assert (saved["cause"], saved["reason"]) == ("profile", "the profile changed from exact to price 50%, * wait")
    moved = {**B, "MSFT": {"price": 401}}
    assert manager.save_snapshot(moved)["held"] == 1
    assert SnapshotReader(redis, "scanner").state() == B

    services.delete_policy(row.pk, user_id=ana.pk)
    assert manager.save_snapshot(moved)["reason"] == "the profile changed from price 50%, * wait to exact"
    assert SnapshotReader(redis, "scanner").state() == moved
    assert redis.hkeys(POLICIES_KEY) == [VERSION_FIELD.encode()]


def test_a_manager_by_asyncio_obeys_too(redis: redis_library.Redis, redis_url: str, ana: User) -> None:
    services.create_policy(
        SnapshotPolicy(name="scanner", source_kind="manager", profile="guide", full_ttl=timedelta(hours=1)),
        user_id=ana.pk,
    )

    async def save() -> None:
        client = redis_asyncio.Redis.from_url(redis_url, protocol=2)
        await aio.SnapshotManager(client, name="scanner").save_snapshot(A)
        await client.aclose()

    asyncio.run(save())
    assert b"volume_today 10%" in redis.hget(KEYS.head, "profile")
    assert 3590 < redis.ttl(KEYS.full) <= 3600


def test_the_default_snapshot_of_the_console_has_the_guides_keys(redis: redis_library.Redis) -> None:
    SnapshotPolicy.objects.update(is_default=False)
    managed(is_default=True)
    services.publish_policies()
    sync.SnapshotManager(redis, name="scanner").save_snapshot(A)
    assert redis.get("snapshot:full:latest") == redis.get(KEYS.full)


def test_one_that_cannot_be_read_changes_nothing(redis: redis_library.Redis, caplog: pytest.LogCaptureFixture) -> None:
    manager = sync.SnapshotManager(redis, name="scanner", delta_compression_threshold=7)
    for wrong in (b"{", b"{}", b'{"full_interval": "x"}', b"\xff", b"[]"):
        redis.hset(POLICIES_KEY, "scanner", wrong)
        with caplog.at_level(logging.WARNING):
            manager.save_snapshot(A)
        assert "the policy that is published for snapshot scanner cannot be read" in caplog.text
        caplog.clear()
        manager.save_snapshot(A)
        assert not caplog.text, "once is enough"
    assert manager._author.policy.options.compression_threshold == 7


def test_only_what_is_enabled_and_a_services_own_is_published(redis: redis_library.Redis) -> None:
    make_policy("built-here")
    services.publish_policies()
    assert redis.hkeys(POLICIES_KEY) == [VERSION_FIELD.encode()]
    managed()
    assert services.publish_policies() == 2
    assert services.publish_policies() == 2, "nothing changed, so nothing was written"
    assert services.build_snapshots(NOW) == [], "a service publishes it, not the console"
    SnapshotPolicy.objects.filter(name="scanner").update(enabled=False)  # past every door: the task makes up for it
    tasks.publish_policies()
    assert redis.hkeys(POLICIES_KEY) == [VERSION_FIELD.encode()]


def test_of_two_that_publish_at_once_the_later_looks_again(redis: redis_library.Redis) -> None:
    before = store.read_policies(redis)
    assert store.publish_policies(redis, {"a": "1"}, compared=before) == 1
    assert store.publish_policies(redis, {"b": "2"}, compared=before) is None
    assert store.publish_policies(redis, {"b": "2"}, compared=store.read_policies(redis)) == 2
    assert redis.hgetall(POLICIES_KEY) == {VERSION_FIELD.encode(): b"2", b"b": b"2"}


def test_out_of_memory_the_published_policies_stay(redis: redis_library.Redis) -> None:
    managed()
    services.publish_policies()
    there = redis.hgetall(POLICIES_KEY)
    SnapshotPolicy.objects.filter(name="scanner").update(enabled=False)
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(store.StoreRefused, match="maxmemory"):
            services.publish_policies()
        assert redis.hgetall(POLICIES_KEY) == there
    finally:
        redis.config_set("maxmemory", 0)


def test_a_redis_that_is_away_does_not_keep_an_edit_from_being_saved(
    settings: Any, ana: User, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    row = managed()
    services.update_policy(row.pk, {"profile": "guide"}, user_id=ana.pk)
    row.refresh_from_db()
    assert row.profile == "guide"
    assert "Policies are not published" in caplog.text

"""Builds as beat orders them: what is due, what is written, what a row says, and what follows a failure."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from django.db import connection

from snapshots import services, tasks
from snapshots.engine.names import keys_of
from snapshots.models import SnapshotBuild, SnapshotPolicy
from snapshots.publisher import SnapshotReader, sync
from snapshots.services import building
from tests.snapshots.factories import NOW, RECORDS, build, changed, later, make_policy, put, read
from tradeul_ops import connections
from tradeul_ops.demo.servers import ValkeyServer, free_port
from tradeul_ops.locks import one_at_a_time
from tradeul_ops.runs import Outcome

pytestmark = pytest.mark.django_db
KEYS = keys_of("test")


def test_a_full_then_deltas_then_a_full_again(redis: redis_library.Redis) -> None:
    """The life of a snapshot: every tick is one row, and a reader always has what the source says."""
    make_policy()
    put(redis, RECORDS)
    first = build(0)
    assert (first.outcome, first.kind, first.reason) == (Outcome.DONE, "full", "first build")
    assert (first.sequence, first.tickers, first.added, first.detail) == (1, 2, 2, "")
    assert first.raw_bytes == sum(len(json.dumps(record)) + 4 for record in RECORDS.values())
    assert min(first.read_ms, first.diff_ms, first.encode_ms, first.write_ms) > 0

    put(redis, changed(AAPL=102.25))
    second = build(5)
    assert (second.kind, second.sequence, second.updated, second.unchanged) == ("delta", 2, 1, 1)
    assert second.stored_bytes == len(redis.xrange(KEYS.deltas)[0][1][b"document"])
    assert read(redis) == changed(AAPL=102.25)

    put(redis, {"MSFT": RECORDS["MSFT"]})
    third = build(10)
    assert (third.kind, third.removed, third.tickers) == ("delta", 1, 1)

    fourth = build(300)
    assert (fourth.kind, fourth.reason) == ("full", "the last full is 300 s and 2 deltas old")
    assert read(redis) == {"MSFT": RECORDS["MSFT"]}
    assert {row.epoch for row in (first, second, third, fourth)} == {first.epoch}


def test_only_what_is_due_is_built(redis: redis_library.Redis) -> None:
    make_policy(build_interval=timedelta(seconds=10))
    put(redis, RECORDS)
    assert len(services.build_snapshots(NOW)) == 1
    assert services.build_snapshots(later(5)) == []
    assert len(services.build_snapshots(later(9.9))) == 1
    SnapshotPolicy.objects.update(enabled=False)
    assert services.build_snapshots(later(30)) == []


def test_after_a_restart_the_chain_goes_on(redis: redis_library.Redis) -> None:
    make_policy()
    put(redis, RECORDS)
    first = build(0)
    follower = SnapshotReader(redis, "test")
    follower.refresh()
    put(redis, changed(AAPL=99))
    build(5)
    services.forget()
    put(redis, changed(AAPL=98, MSFT=397))
    third = build(10)
    assert (third.kind, third.epoch, third.sequence, third.updated) == ("delta", first.epoch, 3, 2)
    follower.refresh()
    assert follower.state() == changed(AAPL=98, MSFT=397)


def test_after_a_restart_without_a_chain_a_new_epoch_begins(redis: redis_library.Redis) -> None:
    make_policy()
    put(redis, RECORDS)
    first = build(0)
    follower = SnapshotReader(redis, "test")
    follower.refresh()
    build(5)
    services.forget()
    redis.delete(KEYS.deltas)
    third = build(10)
    assert (third.kind, third.sequence) == ("full", 1)
    assert third.epoch != first.epoch
    assert "the deltas end at 1, the head says 2" in third.reason
    follower.refresh()
    assert follower.state() == RECORDS


def test_a_key_that_redis_lost_is_made_up_for_in_the_same_tick(redis: redis_library.Redis) -> None:
    make_policy()
    put(redis, RECORDS)
    build(0)
    build(5)
    redis.delete(KEYS.full, KEYS.head, KEYS.deltas)
    row = build(10)
    assert (row.outcome, row.kind) == (Outcome.DONE, "full")
    assert row.reason == "snapshot test: the head is gone."
    assert read(redis) == RECORDS


def test_another_worker_of_the_installation_takes_turns(redis: redis_library.Redis) -> None:
    """Each has a memory of its own; what the other one published meanwhile is read from Redis."""
    make_policy()
    put(redis, RECORDS)
    build(0)
    ours = dict(building._memories)
    put(redis, changed(AAPL=1))
    services.forget()
    theirs = build(5)
    building._memories.clear()
    building._memories.update(ours)
    put(redis, RECORDS)  # what our own memory holds as published: it must not be taken for unchanged
    row = build(10)
    assert (row.kind, row.sequence, row.epoch, row.updated) == ("delta", 3, theirs.epoch, 1)
    assert read(redis) == RECORDS


def test_somebody_elses_snapshot_is_left_alone(redis: redis_library.Redis) -> None:
    make_policy()
    put(redis, RECORDS)
    sync.SnapshotManager(redis, name="test", writer="scanner").save_snapshot({"X": {"p": 1}})
    row = build(0)
    assert row.outcome == Outcome.FAILED
    assert row.detail.startswith("snapshot test: scanner is writing it, and may for another")
    assert read(redis) == {"X": {"p": 1}}
    redis.delete(KEYS.lease)
    assert build(5).outcome == Outcome.DONE
    assert read(redis) == RECORDS


def test_two_at_once_are_one(redis: redis_library.Redis) -> None:
    policy = make_policy()
    put(redis, RECORDS)
    held, done = threading.Event(), threading.Event()

    def other() -> None:
        with one_at_a_time(f"snapshots.build:{policy.pk}"):
            held.set()
            done.wait(10)
        connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    assert held.wait(10)
    assert services.build_snapshots(NOW) == []
    done.set()
    thread.join()
    assert len(services.build_snapshots(NOW)) == 1


def test_out_of_memory_is_a_failed_row_and_then_a_full(redis: redis_library.Redis) -> None:
    make_policy()
    put(redis, RECORDS)
    first = build(0)
    put(redis, changed(AAPL=5))
    redis.config_set("maxmemory", 1)
    try:
        failed = build(5)
    finally:
        redis.config_set("maxmemory", 0)
    assert failed.outcome == Outcome.FAILED
    assert "maxmemory" in failed.detail
    assert read(redis) == RECORDS
    after = build(10)
    assert (after.kind, after.sequence) == ("full", 1)
    assert after.epoch != first.epoch
    assert "maxmemory" in after.reason
    assert read(redis) == changed(AAPL=5)


def test_redis_away_is_a_failed_row_and_the_task_goes_on(tmp_path: Path, settings: Any) -> None:
    server = ValkeyServer(tmp_path, free_port(), options={"save": ""})
    server.start()
    settings.REDIS_URL = server.url
    make_policy()
    put(connections.data_redis(), RECORDS)
    build(0)
    server.stop()
    failed = build(5)
    assert failed.outcome == Outcome.FAILED
    assert "Redis does not answer" in failed.detail
    tasks.build_snapshots()
    server.start()
    put(connections.data_redis(), RECORDS)
    after = build(100_000_000)
    assert (after.outcome, after.kind) == (Outcome.DONE, "full")
    connections.data_redis().close()
    server.stop()


def test_a_new_name_begins_a_snapshot_of_its_own(redis: redis_library.Redis) -> None:
    policy = make_policy()
    put(redis, RECORDS)
    build(0)
    SnapshotPolicy.objects.filter(pk=policy.pk).update(name="renamed")
    assert (build(5).kind, SnapshotReader(redis, "renamed").state()) == ("full", RECORDS)


@pytest.mark.django_db(transaction=True)
def test_a_policy_that_is_deleted_meanwhile_keeps_no_other_from_being_built(
    redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    SnapshotPolicy.objects.all().delete()
    going, staying = make_policy("going"), make_policy("staying")
    put(redis, RECORDS)
    usual = building._build

    def build_and_delete(policy: SnapshotPolicy, row: SnapshotBuild, now: Any) -> None:
        usual(policy, row, now)
        if policy == going:
            SnapshotPolicy.objects.filter(pk=going.pk).delete()

    monkeypatch.setattr(building, "_build", build_and_delete)
    assert [row.policy for row in services.build_snapshots(NOW)] == [staying]
    assert SnapshotBuild.objects.get().outcome == Outcome.DONE


def test_history_is_bounded(redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = make_policy()
    assert building.BUILDS_KEPT == 20_000
    monkeypatch.setattr(building, "BUILDS_KEPT", 3)
    SnapshotBuild.objects.bulk_create(
        SnapshotBuild(policy=policy, started_at=NOW, finished_at=NOW, sequence=number, outcome="done")
        for number in range(9)
    )
    tasks.prune_history()
    assert list(SnapshotBuild.objects.values_list("sequence", flat=True)) == [8, 7, 6]


def test_the_alias_keys_are_the_default_snapshots(redis: redis_library.Redis) -> None:
    SnapshotPolicy.objects.update(is_default=False)
    make_policy(is_default=True)
    put(redis, RECORDS)
    build(0)
    build(5)
    assert redis.get("snapshot:full:latest") == redis.get(KEYS.full)
    assert redis.get("snapshot:delta:latest") == redis.xrevrange(KEYS.deltas, count=1)[0][1][b"document"]
    assert 0 < redis.ttl("snapshot:delta:latest") <= 60

"""A process of ours dies by kill -9 before any one of its calls to a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model

from snapshots import services as snapshots
from snapshots.models import SnapshotBuild
from streams import services, store
from streams.engine.wire import to_wire
from streams.models import Enforcement, Stream, StreamLimit, TrimRun
from streams.producer import StreamProducer
from tests.faults.killed import every_step, killed_before
from tests.snapshots import factories as records
from tests.streams.factories import fill, make_group, make_row
from tests.streams.test_producer import publish, soft
from tradeul_ops import connections, liveness
from tradeul_ops.celery import app
from tradeul_ops.runs import Outcome

Redis = redis_library.Redis
Wait = Callable[..., None]
NOW = records.NOW
later = records.later


def test_a_worker_at_any_step_of_a_sweep(redis: Redis, no_limits: None, wait_until: Wait) -> None:
    """Says: nothing; the overview names the worker once it is silent for 15 s.
    Recovers: at the next sweep, 5 s; a stream whose turn was taken and not used, after its trim interval.
    Keeps: whatever a group has not acknowledged, up to the ceiling.
    """

    lengths = {"free": 3500, "held": 2900, "lost": 3500}
    for name, length in lengths.items():
        make_row(name)
        fill(redis, f"{name} before", length)
    make_group(redis, "held before", "pricing", read=1500, acknowledged=1500)
    make_group(redis, "lost before", "pricing")

    def three_long_streams() -> None:
        for rows in (TrimRun, Stream, Enforcement):
            rows.objects.all().delete()
        for name in lengths:
            Stream.objects.create(name=name, due_at=NOW)
            redis.copy(f"{name} before", name, replace=True)

    def sweep(seconds: int) -> bool:
        services.enforce_limits(later(seconds))
        return bool(Enforcement.objects.filter(ran_at=later(seconds)).exists())

    steps = []
    for step in every_step(lambda: services.enforce_limits(NOW), before=three_long_streams):
        steps.append(step)
        assert redis.xrange("held", "1501-0", "1501-0"), f"what the group needs {step}"
        assert len(set(Stream.objects.values_list("due_at", flat=True))) == 1, f"turns half taken {step}"
        wait_until(lambda: sweep(5), f"the lock is freed {step}")
        assert sweep(30)
        assert [redis.xlen(name) for name in ("free", "held")] == [1000, 1401], step
        runs = TrimRun.objects.all()
        on_record = sum(run.forced for run in runs if run.stream == "lost")
        unknown = any("is not known: nobody saw its end" in run.detail for run in runs if run.stream == "lost")
        assert on_record == 3500 - redis.xlen("lost") or unknown, step
        assert not any(run.forced for run in runs if run.stream != "lost"), step
    assert sum("EVAL" in step for step in steps) >= 4, steps
    assert any("commit" in step for step in steps), steps


def test_a_worker_at_any_step_of_a_snapshots_write(redis: Redis, transactional_db: None, wait_until: Wait) -> None:
    """Says: the builds that are on record, without the one that died.
    Recovers: at the next build, 5 s; it goes on with the chain.
    Keeps: readers have the state before the write or after it, whole.
    """
    after, last = records.changed(AAPL=102.25), records.changed(AAPL=103.5, MSFT=401)

    def a_full() -> None:
        redis.flushdb()
        SnapshotBuild.objects.all().delete()
        snapshots.forget()
        records.put(redis, records.RECORDS)
        assert records.build(0).kind == "full"
        records.put(redis, after)

    records.make_policy()
    steps = []
    for step in every_step(lambda: snapshots.build_snapshots(later(5)), before=a_full):
        steps.append(step)
        assert records.read(redis) in (records.RECORDS, after), step
        snapshots.forget()  # another process
        records.put(redis, last)
        wait_until(lambda: snapshots.build_snapshots(later(20)), f"the lock is freed {step}")
        assert SnapshotBuild.objects.latest("id").outcome == Outcome.DONE, step
        assert records.read(redis) == last, step
    assert any("EVAL" in step for step in steps), steps


def test_a_web_process_at_any_step_of_an_edit(redis: Redis, no_limits: None) -> None:
    """Says: the limit as it was, or as it was asked for, with its line in Changes.
    Recovers: producers hear of an edit that stands within 30 s, from beat.
    Keeps: no edit without its audit line, and no line without its edit.
    """
    user = get_user_model().objects.create_superuser("ana")

    def a_limit() -> None:
        redis.flushdb()
        for rows in (LogEntry, Stream, StreamLimit):
            rows.objects.all().delete()
        make_row("orders", 1000)
        services.publish_limits()

    def edit() -> None:
        row = StreamLimit.objects.get()
        services.update_limit(row.pk, {"maxlen": 2000, "trim_threshold": 2400}, user_id=user.pk, now=NOW)

    seen = set()
    for step in every_step(edit, before=a_limit):
        row = StreamLimit.objects.get()
        seen.add(row.maxlen)
        assert (row.maxlen, row.trim_threshold) in ((1000, 1200), (2000, 2400)), step
        assert LogEntry.objects.exists() == (row.maxlen == 2000), step
        services.publish_limits()
        assert store.read_published(redis).limits == {row.rule.key: to_wire(row.rule).encode()}, step
    assert seen == {1000, 2000}


@pytest.fixture
def sending(redis_url: str) -> Iterator[None]:
    """Celery sends to the broker of the test, instead of doing the work at once."""
    before = app.conf.broker_url, app.conf.task_always_eager
    app.conf.broker_url, app.conf.task_always_eager = redis_url, False
    yield
    app.conf.broker_url, app.conf.task_always_eager = before


def test_beat_at_any_step_of_its_work(redis: Redis, sending: None, tmp_path: Path) -> None:
    """Says: “No beat has said that it lives since …: nothing new is scheduled.” after 15 s.
    Recovers: when it is started again, with the same schedule file, at its first tick.
    Keeps: a task is in the queue whole, or not at all.
    """

    def beat(ticks: int) -> None:
        own = liveness.StampingScheduler(app=app, schedule_filename=str(tmp_path / "schedule"), max_interval=2)
        for entry in own.schedule.values():
            entry.last_run_at -= timedelta(days=1)
        for _ in range(ticks):
            own.tick()
        own.close()

    def nothing_sent() -> None:
        redis.flushdb()
        for left in tmp_path.iterdir():
            left.unlink()

    steps = []
    for step in every_step(lambda: beat(5), before=nothing_sent):
        steps.append(step)
        assert all(json.loads(message)["headers"]["task"] for message in redis.lrange("celery", 0, -1)), step
        sent = redis.llen("celery")
        killed_before(0, lambda: beat(1))  # a new one, and this one lives
        assert redis.llen("celery") == sent + 1, step
        assert redis.exists("tradeul:alive:beat"), step
    assert sum("LPUSH" in step for step in steps) >= 5, steps
    redis.flushdb()  # of the table of queues, which is the broker's own


def test_a_producer_at_any_step_of_its_work(redis: Redis, no_limits: None) -> None:
    """Says: the producer stays on the Producers page for a minute, and is gone then.
    Recovers: nothing has to; beat trims the stream as before.
    Keeps: entries whole and in order; the stream within its limit.
    """

    def limited() -> None:
        redis.flushdb()
        publish(redis, soft(200))

    def produce() -> None:
        producer = StreamProducer(connections.data_redis(), name="feed", trim=False)
        # No thread of its own: its steps would be counted in another order each time.
        producer._book.started = True
        producer._book.take(connections.data_redis().hgetall("tradeul:streams:limits"))
        producer.xadd_many("orders", ({"n": number} for number in range(1000)))

    lengths = []
    for step in every_step(produce, before=limited):
        entries = [int(fields[b"n"]) for _, fields in redis.xrange("orders")]
        lengths.append(len(entries))
        assert entries == list(range(entries[0], entries[0] + len(entries))) if entries else True, step
        assert len(entries) <= 200 + 99, step
    assert max(lengths) >= 200

"""The clock jumps, and tasks come twice, late, or from two beats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import redis as redis_library
from django.utils import timezone

from snapshots import services as snapshots
from snapshots.models import SnapshotBuild
from snapshots.publisher import SnapshotReader
from streams import services, tasks
from streams.models import Stream, StreamLimit, TrimRun
from tests.faults.conftest import Says
from tests.snapshots import factories as records
from tests.streams.factories import fill, make_row
from tradeul_ops import liveness
from tradeul_ops.celery import app
from tradeul_ops.runs import Outcome

Redis = redis_library.Redis
NOW = records.NOW
later = records.later
HOUR = timedelta(hours=1)


def test_the_clock_is_put_back_an_hour(redis: Redis, no_limits: None, tmp_path: Path) -> None:
    """Says: nothing of it; beat's log says that its tasks are timed anew.
    Recovers: at the next tick: sweeps, builds and beat's own times do not wait for the hour to pass again.
    Keeps: readers' states; a delta's time may lie before the one it follows.
    """
    make_row("orders", due_at=NOW)
    fill(redis, "orders", 1150)
    records.put(redis, records.RECORDS)
    records.make_policy()
    assert services.enforce_limits(NOW) == 1
    assert len(snapshots.build_snapshots(NOW)) == 1
    fill(redis, "orders", range(2001, 2101))
    records.put(redis, records.changed(AAPL=7))
    assert services.enforce_limits(NOW - HOUR) == 1, "below its threshold, and due"
    (row,) = snapshots.build_snapshots(NOW - HOUR)
    assert row.outcome == Outcome.DONE
    assert SnapshotReader(redis, "test").state() == records.changed(AAPL=7)
    assert Stream.objects.get().due_at <= NOW - HOUR + timedelta(seconds=30)

    beat = liveness.StampingScheduler(app=app, schedule_filename=str(tmp_path / "schedule"), max_interval=2)
    for entry in beat.schedule.values():
        entry.last_run_at += HOUR
    beat.tick()
    ours = [beat.schedule[name] for name in app.conf.beat_schedule]
    assert all(entry.is_due().next <= entry.schedule.run_every.total_seconds() for entry in ours)
    beat.close()


def test_a_worker_that_died_before_the_clock_was_put_back(redis: Redis, console_says: Says, settings: object) -> None:
    """Says: “No worker has said that it lives since …”, though what it said last lies in the future.
    Recovers: when a worker is started.
    Keeps: nothing is at stake.
    """
    for role in ("worker", "beat"):
        redis.set(f"tradeul:alive:{role}", repr((timezone.now() + HOUR).timestamp()), ex=60)
    assert "No worker has said that it lives since" in console_says()
    liveness.stamp("worker")
    liveness.stamp("beat")
    assert "has said that it lives" not in console_says()


@pytest.mark.parametrize(
    "night", [datetime(2026, 3, 8, 6, 59, 50, tzinfo=UTC), datetime(2026, 11, 1, 5, 59, 50, tzinfo=UTC)]
)
def test_the_night_of_a_time_change(redis: Redis, no_limits: None, night: datetime) -> None:
    """Says: times of the zone that was chosen, each with its offset.
    Recovers: there is nothing to recover: every time is kept in UTC.
    Keeps: intervals: no sweep and no build is left out or done twice.
    """
    make_row("orders", due_at=night)
    records.make_policy()
    with timezone.override(ZoneInfo("America/New_York")):
        for tick in range(13):
            now = night + timedelta(seconds=5 * tick)
            fill(redis, "orders", range(2000 * tick + 1, 2000 * tick + 1151))
            records.put(redis, records.changed(AAPL=tick))
            services.enforce_limits(now)
            snapshots.build_snapshots(now)
    assert SnapshotBuild.objects.filter(outcome=Outcome.DONE).count() == 13
    assert Stream.objects.get().due_at == night + timedelta(seconds=90)


def test_tasks_come_twice_and_late(redis: Redis, no_limits: None, caplog: pytest.LogCaptureFixture) -> None:
    """Says: each trim and each build once.
    Recovers: there is nothing to recover: a task does what is due when it runs, and not what was when it was sent.
    Keeps: what the limit lets stay; one document a build interval.
    """
    make_row("orders")
    fill(redis, "orders", 3000)
    records.put(redis, records.RECORDS)
    records.make_policy()
    for _ in range(3):
        tasks.enforce_limits()
        tasks.publish_limits()
        snapshots.build_snapshots(timezone.now())
    assert TrimRun.objects.count() == SnapshotBuild.objects.count() == 1
    assert redis.xlen("orders") >= 1000
    StreamLimit.objects.all().delete()
    fill(redis, "orders", range(5001, 9001))
    tasks.enforce_limit("orders")  # sent when it had a limit
    assert redis.xlen("orders") >= 5000
    assert "Traceback" not in caplog.text

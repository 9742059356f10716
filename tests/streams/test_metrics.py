"""metrics: what pages and the endpoint show; unknown is not zero, and a server that is away is no empty table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis as redis_library

from streams import services
from streams.metrics import guide_metrics, streams_summary
from streams.models import TrimRun
from streams.producer import StreamProducer
from streams.store import StoreUnavailable
from tests.streams.factories import fill, make_group, make_row
from tradeul_ops.demo.servers import free_port

Redis = redis_library.Redis
NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


def test_the_summary_of_a_stream(redis: Redis) -> None:
    make_row(due_at=None)
    fill(redis, "orders", 5000, size=1000)
    make_group(redis, "orders", "scanner", read=4500, acknowledged=4000)
    redis.xgroup_create("orders", "middle", "4800-0")
    services.publish_limits()
    services.enforce_limits(NOW)
    with StreamProducer(redis, name="polygon_ws"):
        summary = streams_summary(now=NOW)
    (row,) = summary.rows
    assert (row.stream, row.exists, row.length, row.maxlen) == ("orders", True, redis.xlen("orders"), 1000)
    assert row.usage_ratio == row.length / 1000
    assert row.entries_added == 5000
    assert row.bytes == redis.memory_usage("orders", samples=0)
    groups = {group.name: (group.lag, group.pending) for group in row.groups}
    assert groups == {"scanner": (500, 500), "middle": (None, 0)}
    assert row.last_trim is not None
    assert (row.last_trim.trimmed, row.last_trim.failed) == (5000 - row.length, False)
    assert (row.condition, row.held_by) == ("within", None)
    assert summary.memory.used_bytes > row.bytes
    assert [seen.name for seen in summary.producers] == ["polygon_ws"]
    assert (summary.version, summary.read_at) == (1, NOW)
    assert summary.trimmed_entries == 5000 - row.length
    assert summary.trimmed_bytes > 3_000_000


def test_rows_that_are_absent_held_or_no_streams(redis: Redis) -> None:
    make_row("absent")
    make_row("held")
    make_row("test:string")
    redis.set("test:string", "x")
    fill(redis, "held", 2000)
    make_group(redis, "held", "pricing")
    services.enforce_limits(NOW)
    absent, held, string = streams_summary(now=NOW).rows
    assert (absent.exists, absent.condition, absent.bytes, absent.last_trim) == (False, "within", None, None)
    assert (held.condition, held.held_by) == ("attention", "pricing")
    assert "pricing" in held.why
    assert (string.condition, string.bytes) == ("unknown", None)
    assert "no stream" in string.why
    assert string.last_trim is not None
    assert string.last_trim.failed


def test_no_limits_no_rows(redis: Redis) -> None:
    summary = streams_summary(now=NOW)
    assert (summary.rows, summary.version, summary.trimmed_entries) == ((), None, 0)


def test_the_cost_does_not_grow_with_the_rows(redis: Redis, django_assert_num_queries: Any) -> None:
    for n in range(20):
        make_row(f"stream:{n}")
        fill(redis, f"stream:{n}", 1300)
    services.enforce_limits(NOW)
    with django_assert_num_queries(5):
        assert len([row for row in streams_summary(now=NOW).rows if row.last_trim]) == 20


def test_the_guides_endpoint(redis: Redis) -> None:
    make_row("snapshots:raw", due_at=None)
    make_row("tickers:filtered", 500, enabled=False)
    fill(redis, "snapshots:raw", 5000)
    services.enforce_limits(NOW)
    said = guide_metrics(now=NOW + timedelta(seconds=29))
    run = TrimRun.objects.get()
    assert (
        said["stats"].items()
        >= {
            "is_running": True,
            "active_trim_tasks": 1,
            "total_adds": 5000,
            "total_trims": 1,
            "bytes_trimmed": run.bytes_freed,
        }.items()
    )
    raw, tickers = said["details"]
    length = redis.xlen("snapshots:raw")
    assert (
        raw.items()
        >= {
            "stream": "snapshots:raw",
            "length": length,
            "maxlen": 1000,
            "usage_percent": round(length / 10, 1),
        }.items()
    )
    assert tickers["length"] == 0
    assert not guide_metrics(now=NOW + timedelta(seconds=31))["stats"]["is_running"]


def test_totals_outlive_the_history(redis: Redis) -> None:
    make_row(due_at=None)
    fill(redis, "orders", 5000)
    services.enforce_limits(NOW)
    TrimRun.objects.all().delete()
    assert guide_metrics(now=NOW)["stats"]["total_trims"] == 1
    assert streams_summary(now=NOW).trimmed_entries == 5000 - redis.xlen("orders")


def test_while_redis_is_away_it_says_so(settings: Any) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    make_row()
    with pytest.raises(StoreUnavailable):
        streams_summary(now=NOW)
    with pytest.raises(StoreUnavailable):
        guide_metrics(now=NOW)

"""The list and the overview of many streams: sorted by a glance, whole states of what is shown alone, constant cost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis import Redis

from streams import services
from streams.metrics import list_streams, streams_overview
from streams.metrics.overview import SHOWN
from streams.models import Stream, StreamLimit
from streams.services.samples import take_samples
from tests.streams.factories import fill, make_group, make_row

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_limits() -> None:
    """Not those of the guide, which migrations make."""
    StreamLimit.objects.all().delete()
    Stream.objects.all().delete()


@pytest.fixture
def trades(redis: Redis, settings: Any) -> None:
    """Three streams under one pattern, of which one is too long and one is not there any more."""
    make_row("trades:*", 100)
    fill(redis, "trades:long", 500)
    fill(redis, "trades:wide", 50, size=4000)
    make_group(redis, "trades:wide", "slow")
    services.discover_streams(now=timezone.now())
    Stream.objects.create(name="trades:gone")
    services.enforce_limits(timezone.now())  # sweeps run: what is too long now was not yet looked at
    fill(redis, "trades:long", range(501, 1200))
    take_samples(now=timezone.now())


def names(**asked: Any) -> list[str]:
    return [row.stream for row in list_streams(**asked, now=timezone.now()).rows]


def test_it_is_sorted_by_what_is_asked_for(redis: Redis, trades: None) -> None:
    assert names() == ["trades:long", "trades:wide"]
    assert names(sort="length") == names(sort="usage") == ["trades:long", "trades:wide"]
    assert names(sort="bytes") == names(sort="lag") == ["trades:wide", "trades:long"]
    assert names(sort="state") == ["trades:long", "trades:wide"]


def test_it_is_filtered_by_name_and_by_state(redis: Redis, trades: None) -> None:
    assert names(words="WIDE") == ["trades:wide"]
    assert names(state="over") == ["trades:long"]
    assert names(state="within") == ["trades:wide"]
    seen = list_streams(state="over", now=timezone.now())
    assert (seen.found, seen.rows[0].condition) == (1, "over")


def test_a_key_that_is_no_stream_is_unknown_with_the_reason(redis: Redis) -> None:
    make_row("test:string")
    redis.set("test:string", "x")
    seen = list_streams(state="unknown", sort="length", now=timezone.now())
    assert [(row.stream, row.condition) for row in seen.rows] == [("test:string", "unknown")]
    assert "no stream" in streams_overview(now=timezone.now()).glances[0].why


def test_without_samples_bytes_come_from_the_server_and_lags_last(redis: Redis, trades: None) -> None:
    late = timezone.now() + timedelta(minutes=1)  # the last tick says no more of then
    assert [row.stream for row in list_streams(sort="bytes", now=late).rows] == ["trades:wide", "trades:long"]
    assert list_streams(sort="lag", now=late).unsampled == 2


def test_max_age_is_judged_also_before_the_first_sample(redis: Redis) -> None:
    make_row("aged", max_age=timedelta(hours=1))
    redis.xadd("aged", {"data": "x"})
    [glance] = streams_overview(now=timezone.now()).glances
    assert glance.condition == "within"


def test_the_overview_shows_the_worst_and_tells_of_all(redis: Redis, trades: None) -> None:
    for number in range(SHOWN):
        fill(redis, f"trades:{number}", 5)
    services.discover_streams(now=timezone.now())
    seen = streams_overview(now=timezone.now())
    assert len(seen.glances) == SHOWN + 2 and len(seen.rows) == SHOWN
    assert seen.rows[0].stream == "trades:long"
    assert {glance.stream for glance in seen.glances if glance.condition == "over"} == {"trades:long"}
    assert seen.bytes == sum(glance.bytes or 0 for glance in seen.glances) > 200_000


def test_a_group_that_seems_abandoned_is_asked_about_wherever_its_stream_stands(redis: Redis, settings: Any) -> None:
    settings.ABANDONED_GROUP_AFTER = timedelta(minutes=10)
    make_row("trades:*", 100)
    for number in range(SHOWN + 3):
        fill(redis, f"trades:{number:02}", 50 if number else 1)
    make_group(redis, "trades:00", "pricing")
    services.discover_streams(now=timezone.now())
    for minutes in (20, 10, 0):
        take_samples(now=timezone.now() - timedelta(minutes=minutes))
    seen = streams_overview(now=timezone.now())
    assert "trades:00" not in {row.stream for row in seen.rows}
    assert [(group.stream, group.name) for group in seen.abandoned] == [("trades:00", "pricing")]


def cost(redis: Redis, look: Callable[[], object]) -> tuple[int, int]:
    """SQL queries, and how often the server was written to: once a round trip, of few commands."""
    look()
    before = redis.info("stats")["total_reads_processed"]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        look()
    return len(queries), redis.info("stats")["total_reads_processed"] - before


@pytest.mark.parametrize("sort", ["name", "length", "bytes", "state"])
def test_the_cost_of_the_list_does_not_grow_with_the_streams(redis: Redis, sort: str) -> None:
    make_row("many:*", 100)

    def look() -> object:
        return list_streams(sort=sort, now=timezone.now())

    costs = []
    for until in (10, 60):
        for number in range(until - 10, until):
            fill(redis, f"many:{number:02}", 3)
            make_group(redis, f"many:{number:02}", "slow")
        services.discover_streams(now=timezone.now())
        take_samples(now=timezone.now())
        costs.append(cost(redis, look))
    assert costs[0] == costs[1]
    assert costs[0][0] <= 8


def test_the_cost_of_the_overview_does_not_grow_with_the_streams(redis: Redis) -> None:
    make_row("many:*", 100)
    costs = []
    for until in (20, 70):
        for number in range(until - 20, until):
            fill(redis, f"many:{number:02}", 3)
        services.discover_streams(now=timezone.now())
        take_samples(now=timezone.now())
        costs.append(cost(redis, lambda: streams_overview(now=timezone.now())))
    assert costs[0] == costs[1]
    assert costs[0][0] <= 8

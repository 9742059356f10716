"""What stands beside the overview's figures: an hour of each, and what Redis' memory holds. Judges none.

Its cost does not depend on how many things there are: two queries, one round trip to the broker.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from snapshots.metrics import SnapshotsSummary
from snapshots.models import SnapshotBuild
from snapshots.services.newest import BUILT
from streams.metrics import StreamsOverview
from timescale.models import TableSample
from timescale.services import DATABASE
from tradeul_ops.connections import broker_redis
from tradeul_ops.console.overview import Overview
from tradeul_ops.console.panels import read
from tradeul_ops.sparklines import Spot

HOUR = timedelta(hours=1)
MEMORY_KEY = "tradeul:redis:used"  # a list in the broker: “seconds bytes”, the newest first
MEMORY_KEPT = 240  # an hour, at beat's 15 s
MEMORY_SECONDS = 2 * 3600  # then it expires
MOST_BUILDS = 1000  # an hour of one snapshot, at one every 5 s, and some


@dataclass(frozen=True)
class Part:
    """A part of Redis' memory; `share` in hundredths of what is used, from `start` on."""

    name: str
    kind: str
    bytes: int
    start: float
    share: float


@dataclass(frozen=True)
class Totals:
    """Of all streams and producers together; `bytes` None: of one of the streams it is unknown."""

    streams: int
    within: int
    over: int
    bytes: int | None
    producers: int
    newest: int

    @property
    def condition(self) -> str:
        return "over" if self.over else "within" if self.within == self.streams else "attention"

    @property
    def late(self) -> int:
        """Producers that hold older limits."""
        return self.producers - self.newest


@dataclass(frozen=True)
class Tiles:
    """Points are an hour's, from old to new; empty: none are known. `snapshots`: policy id → bytes a delta."""

    memory: tuple[Spot, ...]
    streams: tuple[Spot, ...]
    snapshots: dict[int, tuple[Spot, ...]]
    database: tuple[Spot, ...]
    split: tuple[Part, ...]
    totals: Totals | None


def read_tiles(overview: Overview) -> Tiles:
    """Raises no error of a source: what can't be read is empty."""
    now = overview.read_at
    streams, snapshots = overview.streams.value, overview.snapshots.value
    memory = read("Redis' hour", _memory, now=now).value or ()
    past = read("Snapshots' and tables' hour", _past, now=now).value or ({}, ())
    return Tiles(
        memory=memory,
        streams=streams.hour if streams else (),
        snapshots=past[0],
        database=past[1],
        split=split_of(streams, snapshots) if streams else (),
        totals=totals_of(streams) if streams else None,
    )


def totals_of(streams: StreamsOverview) -> Totals:
    sizes = [glance.bytes for glance in streams.glances if glance.enabled]
    return Totals(
        streams=len(sizes),
        within=sum(glance.enabled and glance.condition == "within" for glance in streams.glances),
        over=sum(glance.enabled and glance.condition == "over" for glance in streams.glances),
        bytes=None if None in sizes else sum(filter(None, sizes)),
        producers=len(streams.producers),
        newest=sum(one.version == streams.version for one in streams.producers),
    )


def keep_memory(used_bytes: int, *, now: datetime) -> None:
    """Redis has no history of its own; beat calls this. Raises redis.RedisError."""
    pipe = broker_redis().pipeline()
    pipe.lpush(MEMORY_KEY, f"{now.timestamp():.0f} {used_bytes}")
    pipe.ltrim(MEMORY_KEY, 0, MEMORY_KEPT - 1)
    pipe.expire(MEMORY_KEY, MEMORY_SECONDS)
    pipe.execute()


def split_of(streams: StreamsOverview, snapshots: SnapshotsSummary | None) -> tuple[Part, ...]:
    """Of the used memory. Streams and snapshots are the server's estimates, so that the rest is one too.

    Empty where the server does not say its overhead: then nobody knows what the rest is.
    """
    used, overhead = streams.memory.used_bytes, streams.memory.overhead_bytes
    if overhead is None or used <= 0:
        return ()
    parts = {
        "streams": streams.bytes,
        "snapshots": sum(row.stored_bytes or 0 for row in snapshots.rows) if snapshots else 0,
    }
    parts |= {"other": max(0, used - overhead - sum(parts.values())), "overhead": overhead}
    whole, start, found = max(used, sum(parts.values())), 0.0, []
    for name, size in parts.items():
        share = 100 * size / whole
        found.append(Part(name, name, size, round(start, 2), round(share, 2)))
        start += share
    return tuple(found)


def _memory(*, now: datetime) -> tuple[Spot, ...]:
    said: Any = broker_redis().lrange(MEMORY_KEY, 0, MEMORY_KEPT - 1)
    since = (now - HOUR).timestamp()
    points = (tuple(map(float, line.split())) for line in reversed(said))
    return tuple((at, used) for at, used in points if at >= since)


def _past(*, now: datetime) -> tuple[dict[int, tuple[Spot, ...]], tuple[Spot, ...]]:
    builds: dict[int, list[Spot]] = defaultdict(list)
    newest = SnapshotBuild.objects.filter(kind="delta", outcome__in=BUILT, stored_bytes__isnull=False).order_by("-id")
    for policy, at, size in newest.values_list("policy", "started_at", "stored_bytes")[:MOST_BUILDS]:
        if at >= now - HOUR:
            builds[policy].append((at.timestamp(), float(size)))
    samples = TableSample.objects.filter(relation=DATABASE, taken_at__gte=now - HOUR).order_by("taken_at")
    database = tuple((at.timestamp(), size) for at, size in samples.values_list("taken_at", "bytes"))
    return {policy: tuple(reversed(points)) for policy, points in builds.items()}, database

"""Where a stream is going: how fast it grows, what flows in, whether groups catch up, when it is full.

Judges samples; takes none. Growth is of the length, after trims; inflow is what producers added. They differ by what
was trimmed, and only the inflow is known exactly. Unknown is None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from operator import mul
from typing import Literal

from streams.engine.ids import parse_id
from streams.engine.samples import Series
from streams.engine.state import CLOCKS_APART_MS, EARLIEST_MS

GROWTH_WINDOW = timedelta(hours=1)  # what a Series holds
RECENT_WINDOW = timedelta(minutes=10)  # what a forecast and a lag's direction are judged by: they must turn quickly
FEWEST_POINTS, SHORTEST_SPAN = 3, timedelta(seconds=20)
FURTHEST = timedelta(days=8)  # as far ahead as samples go back

Point = tuple[float, float]  # seconds since 1970, and the value then
Word = Literal["rising", "falling", "flat", "unknown"]


@dataclass(frozen=True, slots=True)
class Trend:
    """`per_hour` None: unknown. `flat`: what moves is no more than the points scatter around their own line."""

    word: Word
    per_hour: float | None


UNKNOWN = Trend("unknown", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTrend:
    """`full_in`: to the ceiling at the recent growth; None where it is not growing, has no ceiling, or nobody knows.

    `full_in` 0: it is there. `oldest_age`: of the oldest entry that is held.
    """

    growth: Trend
    growth_bytes: Trend
    inflow_per_hour: float | None
    lags: dict[str, Trend]
    full_in: timedelta | None
    oldest_age: timedelta | None


NOTHING_KNOWN = StreamTrend(
    growth=UNKNOWN, growth_bytes=UNKNOWN, inflow_per_hour=None, lags={}, full_in=None, oldest_age=None
)


def trend_of(
    series: Series, *, now: datetime, ceiling: int | None = None, bounded_at: int | None = None
) -> StreamTrend:
    """`bounded_at`: the length up to which trims reach, whatever the growth is there.

    Below that a rising length says nothing about when the stream is full: the next trim takes it back.
    """
    if not series.fresh(now):
        return NOTHING_KNOWN
    lengths = list(zip(series.times, series.lengths, strict=True))
    length, full_in = series.lengths[-1], None
    if ceiling is not None and (bounded_at is None or length > bounded_at):
        recent_from = (now - RECENT_WINDOW).timestamp()
        growth = trend_of_points([point for point in lengths if point[0] >= recent_from])
        full_in = time_to_full(length, ceiling=ceiling, growth=growth)
    known = [(at, size) for at, size in zip(series.times, series.bytes, strict=True) if size is not None]
    return StreamTrend(
        growth=trend_of_points(lengths),
        growth_bytes=trend_of_points(known),
        inflow_per_hour=inflow_per_hour(series),
        lags={name: trend_of_points(points) for name, points in _lags(series).items()},
        full_in=full_in,
        oldest_age=age_of(series.first_id, now=now),
    )


def trend_of_points(points: Sequence[Point]) -> Trend:
    """The least squares line through them, as a rate an hour, and a word for it."""
    if len(points) < FEWEST_POINTS or points[-1][0] - points[0][0] < SHORTEST_SPAN.total_seconds():
        return UNKNOWN
    count, start = len(points), points[0][0]
    xs, ys = [at - start for at, _ in points], [value for _, value in points]
    if min(ys) == max(ys):
        return Trend("flat", 0.0)
    mean_x, mean_y = sum(xs) / count, sum(ys) / count
    xs, ys = [x - mean_x for x in xs], [y - mean_y for y in ys]
    both = sum(map(mul, xs, ys))
    slope = both / sum(map(mul, xs, xs))
    # Of the squares what the line does not explain; a whisker below 0 where it explains all.
    scatter = math.sqrt(max(0.0, sum(map(mul, ys, ys)) - slope * both) / count)
    # A line through a saw's teeth tilts by chance, by up to as much as they are high.
    moved = abs(slope) * (points[-1][0] - start)
    if moved < 1 or moved <= 2 * scatter:
        return Trend("flat", slope * 3600)
    return Trend("rising" if slope > 0 else "falling", slope * 3600)


def inflow_per_hour(series: Series) -> float | None:
    """Entries added, from the server's counter. None where it keeps none (before Redis 7) or there is one sample only.

    A counter that fell belongs to a key that was made again; what it shows since is what is certain.
    """
    added, seconds = 0, 0.0
    for (started, before), (ended, after) in pairwise(zip(series.times, series.entries_added, strict=True)):
        if before is None or after is None:
            continue
        added += after - before if after >= before else after
        seconds += ended - started
    return added * 3600 / seconds if seconds > 0 else None


def time_to_full(length: int, *, ceiling: int, growth: Trend) -> timedelta | None:
    """None where it does not grow, or not within eight days. 0 at the ceiling or above."""
    if length >= ceiling:
        return timedelta()
    if growth.word != "rising" or not growth.per_hour:
        return None
    hours = (ceiling - length) / growth.per_hour
    return timedelta(hours=hours) if hours <= FURTHEST / timedelta(hours=1) else None


def age_of(entry_id: str | None, *, now: datetime) -> timedelta | None:
    """None where there is no entry, or where ids are numbers of somebody's own."""
    if entry_id is None:
        return None
    ms, now_ms = parse_id(entry_id).ms, now.timestamp() * 1000
    if ms < EARLIEST_MS or ms > now_ms + CLOCKS_APART_MS:
        return None
    return timedelta(milliseconds=max(0.0, now_ms - ms))


def _lags(series: Series) -> dict[str, list[Point]]:
    """Of the newest sample's groups, without what the server could not say: a line goes through the rest."""
    found: dict[str, list[Point]] = {name: [] for name, *_ in series.groups[-1][1]} if series.groups else {}
    for at, packed in series.groups:
        for name, lag, *_ in packed:
            if lag is not None and name in found:
                found[name].append((at, lag))
    return found

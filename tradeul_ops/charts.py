"""Turns points in time into SVG coordinates and paths. Draws nothing itself, knows no app and no unit; see charts tags.

Everything is a value of numbers and words; templates put them into attributes, because pages allow no inline style.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeVar

from tradeul_ops.market_sessions import market_sessions

Point = tuple[datetime, float | None]  # None: nothing is known of that moment, and no line is drawn through it

At = TypeVar("At", datetime, float)

Place = Callable[[datetime], float]  # from the left
Height = Callable[[float], float]  # from the top

STEPS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080)
)
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 34, 24  # around a chart's plot: the numbers, nothing, the sessions' names, the times
MARKS_APART = 24
CHARACTER = 6.6  # a letter of 12 px, roughly: whether a word fits


@dataclass(frozen=True, slots=True)
class Level:
    """A value that holds all the time, such as a limit; `kind` is its class."""

    name: str
    value: float
    kind: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened; `link` may be empty."""

    at: datetime
    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Band:
    """A market session, cut at the chart's edges. `text` empty: the name does not fit."""

    kind: str
    name: str
    x: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class DrawnLevel:
    level: Level
    y: float
    label_y: float


@dataclass(frozen=True, slots=True)
class DrawnMark:
    mark: Mark
    x: float
    number: int
    label_x: float
    label: str  # of those that stand close together the first has all their numbers, the others none


@dataclass(frozen=True, slots=True)
class Chart:
    width: int
    height: int
    path: str
    dots: tuple[tuple[float, float], ...]  # known points without a known neighbour
    last: tuple[float, float] | None
    values: tuple[tuple[float, float], ...]  # (place, value) along the left side
    times: tuple[Tick, ...]
    bands: tuple[Band, ...]
    levels: tuple[DrawnLevel, ...]
    marks: tuple[DrawnMark, ...]
    lowest: float | None
    highest: float | None

    @property
    def plot(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom."""
        return LEFT, TOP, self.width - RIGHT, self.height - BOTTOM

    @property
    def plot_height(self) -> int:
        return self.height - TOP - BOTTOM

    @property
    def middle(self) -> tuple[int, int]:
        return (LEFT + self.width - RIGHT) // 2, TOP + self.plot_height // 2

    @property
    def empty(self) -> bool:
        return self.highest is None


def chart(
    points: Sequence[Point],
    *,
    since: datetime,
    until: datetime,
    levels: Sequence[Level] = (),
    marks: Sequence[Mark] = (),
    gap: timedelta | None = None,
    zone: tzinfo = UTC,
    width: int = 960,
    height: int = 280,
) -> Chart:
    """From 0 to above the highest of the points and levels, over the whole time asked for, known or not.

    `gap`: two points further apart are not joined.
    """
    inside = [(at, value) for at, value in points if since <= at <= until]
    known = [value for _, value in inside if value is not None]
    values = _round_values(max([*known, *(level.value for level in levels)], default=0.0))
    full = values[-1]
    right, bottom = width - RIGHT, height - BOTTOM

    def x(at: datetime) -> float:
        return _round(LEFT + (right - LEFT) * _share(at, since, until))

    def y(value: float) -> float:
        return _round(bottom - (bottom - TOP) * value / full)

    runs = runs_of(inside, gap=gap, most=(right - LEFT) // 2)
    placed = [[(x(at), y(value)) for at, value in run] for run in runs]
    return Chart(
        width=width,
        height=height,
        path=_path([run for run in placed if len(run) > 1]),
        dots=tuple(run[0] for run in placed if len(run) == 1),
        last=placed[-1][-1] if placed else None,
        values=tuple((y(value), value) for value in values),
        times=tuple(_times(since, until, x=x, room=(right - LEFT) // 64, zone=zone)),
        bands=tuple(_bands(since, until, x=x)),
        levels=tuple(_levels(levels, y=y)),
        marks=tuple(_marks([mark for mark in marks if since <= mark.at <= until], x=x, right=right)),
        lowest=min(known, default=None),
        highest=max(known, default=None),
    )


def thin(points: Sequence[tuple[At, float]], *, most: int) -> list[tuple[At, float]]:
    """About `most` points: of each stretch its lowest and highest, so that no peak is lost, and the last of all."""
    if len(points) <= most:
        return list(points)
    stretch = math.ceil(2 * len(points) / max(2, most))
    kept: list[tuple[At, float]] = []
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        kept += sorted({min(part, key=_value), max(part, key=_value)})
    if kept[-1] != points[-1]:
        kept.append(points[-1])
    return kept


def runs_of(points: Sequence[tuple[At, float | None]], *, gap: Any, most: int) -> list[list[tuple[At, float]]]:
    """What can be joined: known points without an unknown, and not more than a gap, between them; then thinned."""
    runs: list[list[tuple[At, float]]] = []
    before: Any = None
    for at, value in points:
        if value is None:
            before = None
            continue
        if before is None or (gap is not None and at - before > gap):
            runs.append([])
        runs[-1].append((at, value))
        before = at
    return [thin(run, most=most * len(run) // len(points)) for run in runs]


def _path(runs: Sequence[Sequence[tuple[float, float]]]) -> str:
    return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in run) for run in runs)


def _round_values(highest: float) -> list[float]:
    """0 and a few round numbers above it, the last at or above `highest`."""
    step = 10.0 ** math.floor(math.log10(highest)) if highest > 1e-9 else 1.0
    for fraction in (0.2, 0.25, 0.5, 1, 2):
        if highest <= 5 * step * fraction:
            step *= fraction
            break
    step = max(step, 1.0) if highest >= 1 else step
    return [step * number for number in range(max(1, math.ceil(highest / step)) + 1)]


def _times(since: datetime, until: datetime, *, x: Place, room: int, zone: tzinfo) -> Iterable[Tick]:
    """Round times of the zone's day, as many as there is room for; a day's name where one begins."""
    step = next((step for step in STEPS if (until - since) / step <= max(room, 2)), STEPS[-1])
    at = since.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    # Steps are those of a wall clock; places are reckoned in UTC, where a day has no jump.
    while (moment := (at := at + step).astimezone(UTC)) <= until:
        if moment > since:
            yield Tick(x(moment), f"{at:%a} {at.day}" if (at.hour, at.minute) == (0, 0) else f"{at:%H:%M}")


def _bands(since: datetime, until: datetime, *, x: Place) -> Iterable[Band]:
    for kind, name, begins, ends in market_sessions(since, until):
        left, right = x(begins), x(ends)
        fits = len(name) * CHARACTER <= right - left
        yield Band(kind, name, left, _round(right - left), name if fits else "")


def _marks(marks: Sequence[Mark], *, x: Place, right: int) -> Iterable[DrawnMark]:
    numbered = list(enumerate(sorted(marks, key=lambda mark: mark.at), start=1))
    while numbered:
        first = x(numbered[0][1].at)
        close = [(number, mark) for number, mark in numbered if x(mark.at) - first < MARKS_APART]
        numbers = f"{close[0][0]}" if len(close) == 1 else f"{close[0][0]}–{close[-1][0]}"
        for number, mark in close:
            here, label = x(mark.at), numbers if number == close[0][0] else ""
            yield DrawnMark(mark, here, number, min(here, right - MARKS_APART / 2), label)
        del numbered[: len(close)]


def _levels(levels: Sequence[Level], *, y: Height) -> list[DrawnLevel]:
    """Names stand above their line, and make room for one another."""
    drawn: list[DrawnLevel] = []
    for level in sorted(levels, key=lambda level: level.value):
        place = y(level.value)
        label = place - 4
        if drawn and drawn[-1].label_y - label < 13:
            label = drawn[-1].label_y - 13
        drawn.append(DrawnLevel(level, place, _round(label)))
    return drawn


def _share(at: datetime, start: datetime, end: datetime) -> float:
    return (at - start) / (end - start) if end > start else 1.0


def _value(point: tuple[Any, float]) -> float:
    return point[1]


def _round(number: float) -> float:
    return round(number, 1)

"""Turns an hour of a figure into the path of a small line. Draws nothing itself, knows no app or unit; see charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tradeul_ops.charts import runs_of

Spot = tuple[float, float | None]  # seconds since 1970, and a value; None: unknown, and no line is drawn through it

WIDTH, HEIGHT = 96, 20


@dataclass(frozen=True, slots=True)
class Sparkline:
    """`path` empty: fewer than two known points, of which `last` may be one. `limit`: its height, where it shows."""

    path: str
    last: tuple[float, float] | None
    limit: float | None
    lowest: float | None
    highest: float | None
    width: int = WIDTH
    height: int = HEIGHT


def sparkline(points: Sequence[Spot], *, limit: float | None = None, gap: float | None = None) -> Sparkline:
    """A line from the lowest to the highest point; the limit takes part where it is less than twice as high.

    `gap`, in seconds: two points further apart are not joined.
    """
    known = [value for _, value in points if value is not None]
    if not known:
        return Sparkline("", None, None, None, None)
    lowest, highest = min(known), max(known)
    near = limit is not None and lowest / 2 <= limit <= 2 * highest
    bottom, top = (min(lowest, limit), max(highest, limit)) if near and limit is not None else (lowest, highest)
    start, long = points[0][0], points[-1][0] - points[0][0]
    # Worked out before the points: there are sixty of them in each of a page's lines.
    left, across = (2.0, (WIDTH - 5) / long) if long > 0 else (WIDTH - 3.0, 0.0)
    base, high = (HEIGHT - 3.0, top - bottom) if top > bottom else (HEIGHT / 2, 1.0)

    def y(value: float) -> float:
        return base - (HEIGHT - 6) * (value - bottom) / high

    runs = runs_of(points, gap=gap, most=WIDTH)
    last_at, last_value = runs[-1][-1]
    lines = [
        "L".join([f"{left + across * (at - start):.3g} {y(value):.3g}" for at, value in run]) for run in runs if run[1:]
    ]
    return Sparkline(
        path="".join([f"M{line}" for line in lines]),
        last=(round(left + across * (last_at - start), 1), round(y(last_value), 1)),
        limit=round(y(limit), 1) if near and limit is not None else None,
        lowest=lowest,
        highest=highest,
    )

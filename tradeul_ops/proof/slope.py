"""A straight line through samples by least squares, and how sure its slope is. Knows no unit and no server.

The standard error takes the samples' scatter as independent: a saw-tooth's is larger than it says, and `means` of times
longer than its teeth come nearer to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

Point = tuple[float, float]  # seconds, value
HOUR = 3_600.0


@dataclass(frozen=True)
class Slope:
    """By the hour; `error` is the standard error of `per_hour`, in its unit."""

    per_hour: float
    error: float
    samples: int

    @property
    def at_most(self) -> float:
        """Two standard errors above: the growth that the samples still allow."""
        return self.per_hour + 2 * self.error

    @property
    def at_least(self) -> float:
        return self.per_hour - 2 * self.error


def means(points: Sequence[Point], count: int) -> list[Point]:
    """The middles of `count` parts of as many samples each; the samples themselves where they are no more."""
    if len(points) <= count:
        return list(points)
    ends = [len(points) * part // count for part in range(count + 1)]
    parts = [points[start:end] for start, end in pairwise(ends)]
    return [(fmean(at for at, _ in part), fmean(value for _, value in part)) for part in parts]


def slope(points: Sequence[Point]) -> Slope | None:
    """None of fewer than three samples, or of samples of one moment: nothing can be said."""
    if len(points) < 3:
        return None
    middle, level = fmean(at for at, _ in points), fmean(value for _, value in points)
    spread = math.fsum((at - middle) ** 2 for at, _ in points)
    if spread == 0:
        return None
    rate = math.fsum((at - middle) * (value - level) for at, value in points) / spread
    left = math.fsum((value - level - rate * (at - middle)) ** 2 for at, value in points)
    error = math.sqrt(left / (len(points) - 2) / spread)
    return Slope(per_hour=rate * HOUR, error=error * HOUR, samples=len(points))

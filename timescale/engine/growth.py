"""From two sizes at two times, the growth of a day, and when a disk is full. Reads nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

SHORTEST = timedelta(minutes=30)  # below it a chunk that was just made looks like a trend
DAY = timedelta(days=1)


def per_day(*, then: int | None, now: int | None, then_at: datetime, now_at: datetime) -> float | None:
    """Bytes a day; negative while it shrinks; None while nobody can say."""
    if then is None or now is None or now_at - then_at < SHORTEST:
        return None
    return (now - then) / ((now_at - then_at) / DAY)


def days_until(size: int, *, used: int, growth_per_day: float | None) -> float | None:
    """None where it does not grow, or nobody knows; 0 where it is full."""
    if used >= size:
        return 0.0
    if growth_per_day is None or growth_per_day <= 0:
        return None
    return (size - used) / growth_per_day

"""Decides which window of an aggregate can be refreshed without a loss. Reads no clock; see store for the doing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_ORIGIN = datetime(2000, 1, 3, tzinfo=UTC)  # time_bucket's own: a Monday


@dataclass(frozen=True)
class Window:
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Missed:
    """What changed in a window since an aggregate read it, and what both hold of it.

    `rows`: its source has some there; `held`: it has buckets there; `alone`: one of them has no row behind it any more.
    """

    view: str
    window: Window
    rows: bool
    held: bool
    alone: bool

    def safe(self, *, kept_since: datetime | None) -> bool:
        """Whether a refresh can only add. `kept_since`: what the source's retention has left whole; None: all.

        Before it, and where a bucket stands alone, rows may have been dropped: late ones that came there since are not
        all there was, and a refresh would put them in the place of what they are a part of.
        """
        if not self.rows:
            return False
        return not self.held or (not self.alone and (kept_since is None or self.window.start >= kept_since))


@dataclass(frozen=True)
class Late:
    """What no policy reaches any more, oldest first: what a refresh can only add to, and what it would spoil."""

    readable: tuple[Missed, ...] = ()
    held_back: tuple[Missed, ...] = ()


def late_window(low: datetime, high: datetime, *, width: timedelta, before: datetime) -> Window | None:
    """The whole buckets of what changed from `low` to `high`, as far as a policy doesn't reach them; None: it does."""
    start, end = bucket_of(low, width), bucket_of(high, width) + width
    end = min(end, bucket_of(before, width) + width)
    return Window(start, end) if end > start else None


def bucket_of(moment: datetime, width: timedelta) -> datetime:
    return _ORIGIN + (moment - _ORIGIN) // width * width


def fill_window(
    *, source_oldest: datetime | None, held_oldest: datetime | None, width: timedelta, until: datetime
) -> Window | None:
    """The whole buckets that the source can still tell in full, up to `until`; None where there is not one.

    A refresh erases what it finds no rows for. Where the aggregate holds the bucket of the source's oldest row
    already, that row may be what a retention left of more: the window begins with the bucket after it.
    """
    if source_oldest is None:
        return None
    start = bucket_of(source_oldest, width)
    if held_oldest is not None and held_oldest <= start:
        start += width
    end = bucket_of(until, width)
    return Window(start, end) if end > start else None


def is_filled(
    window: Window,
    *,
    held_oldest: datetime | None,
    held_newest: datetime | None,
    source_newest: datetime | None,
    width: timedelta,
    reach: timedelta,
) -> bool:
    """Whether its policy keeps it up by itself: the beginning is held, and at the end no more than `reach` missing."""
    if held_oldest is None or held_newest is None or held_oldest > window.start:
        return False
    due = window.end - width if source_newest is None else min(bucket_of(source_newest, width), window.end - width)
    return held_newest >= due or held_newest >= window.end - reach


def refusal(window: Window, *, source_oldest: datetime | None, width: timedelta) -> str | None:
    """Why a window that somebody asks for must not be refreshed."""
    if window.end - window.start < width:
        return f"the window must hold a whole bucket of {width}."
    if source_oldest is None:
        return "its source has no rows: a refresh would erase what the aggregate holds."
    if bucket_of(window.start, width) < bucket_of(source_oldest, width):
        return (
            f"its source begins at {source_oldest:%Y-%m-%d %H:%M:%S} UTC: "
            "a refresh of what lies before would erase what the aggregate still holds."
        )
    return None

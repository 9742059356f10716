"""When a shortened bound begins to act, and which bound acts until then. Reads no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Grace:
    """`previous` None: nothing was dropped before. Until `until` the previous bound acts, and going back is free."""

    relation: str
    previous: timedelta | None
    drop_after: timedelta
    until: datetime


def plan_grace(
    relation: str,
    *,
    now: datetime,
    length: timedelta,
    before: timedelta | None,
    after: timedelta | None,
    running: Grace | None,
) -> Grace | None:
    """The grace that a bound needs which goes from `before` to `after` (None: everything is kept); None for none.

    While one runs, what counts is the bound that acts: two steps down are not a way around the first one's wait.
    """
    acting = running.previous if running is not None and running.until > now else before
    if after is None or (acting is not None and after >= acting):
        return None
    return Grace(relation, acting, after, now + length)

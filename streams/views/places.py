"""Where a person wants to look in a stream, as they typed it: an entry id, or a time in the zone that they chose."""

from __future__ import annotations

import re
from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime, parse_time
from django.utils.translation import gettext

from streams.engine.ids import EntryId, parse_id

LAST_SEQ = 2**64 - 1
SECOND_MS = 1000


def place_of(said: str, *, now: datetime) -> EntryId:
    """The id that comes after all that is meant: of a time its whole second, of milliseconds all of their entries.

    A time without a date is today's. Raises ValueError, which says what can be typed.
    """
    words = said.strip()
    if re.fullmatch(r"\d{1,20}(-\d{1,20})?", words, re.ASCII):
        found = parse_id(words)
        return EntryId(found.ms, found.seq + 1) if "-" in words else EntryId(found.ms + 1, 0)
    at = _time(words, now)
    if at is None:
        raise ValueError(
            gettext(
                "{said} is neither an entry id nor a time. Examples: 1700000000000-3, 14:05:30, 2026-03-09 14:05."
            ).format(said=f"“{words[:60]}”")
        )
    return EntryId(int(at.timestamp()) * SECOND_MS + SECOND_MS, 0)


def _time(words: str, now: datetime) -> datetime | None:
    """parse_datetime and parse_time raise ValueError for what is well written and no time: 25:00."""
    try:
        if (whole := parse_datetime(words)) is not None:
            return whole if timezone.is_aware(whole) else timezone.make_aware(whole)
        clock = parse_time(words)
    except ValueError:
        return None
    return None if clock is None else timezone.make_aware(datetime.combine(timezone.localdate(now), clock))

"""Spells a duration for a person. Parses nothing."""

from __future__ import annotations

from datetime import timedelta

_UNITS = ((86_400, "day", "days"), (3600, "h", "h"), (60, "min", "min"), (1, "s", "s"))


def spell(duration: timedelta) -> str:
    """`3 days`, `2 h`, `1 h 30 min`: the two largest units that are not zero; less than a second is `0 s`."""
    left = abs(int(duration.total_seconds()))
    words = []
    for seconds, one, many in _UNITS:
        count, left = divmod(left, seconds)
        if count:
            words.append(f"{count} {one if count == 1 else many}")
    return ("−" if duration < timedelta(0) else "") + (" ".join(words[:2]) or "0 s")

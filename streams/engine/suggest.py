"""Suggests a limit for a stream that has none: from its rate, the size of an entry, and how far groups lag."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from streams.engine.plan import NODE_ENTRIES, entry_bytes
from streams.engine.state import StreamState
from streams.engine.words import size_text, span_text

KEEPS = timedelta(minutes=10)  # of what it is given now
MOST_BYTES = 64 * 1000 * 1000
LAGS_KEPT = 2
USUAL: dict[str, Any] = {
    "maxlen": 1000,
    "trim_threshold": 1200,
    "trim_interval": timedelta(seconds=30),
    "hard_maxlen": 3000,
}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`values` are fields of a limit; `why` the arithmetic."""

    values: dict[str, Any]
    why: str


def suggest_limit(state: StreamState) -> Suggestion:
    """Ten minutes of entries, twice the largest lag, in no more than 64 MB; rounded up to two digits."""
    parts: list[tuple[int, str]] = []
    rate = entries_per_second(state)
    if rate is not None:
        wanted = int(rate * KEEPS.total_seconds())
        parts.append((wanted, f"{span_text(KEEPS)} at {rate:,.1f} entries a second are {wanted:,}"))
    lag = max((group.lag for group in state.groups if group.lag), default=0)
    if lag:
        parts.append((LAGS_KEPT * lag, f"twice the largest lag is {LAGS_KEPT * lag:,}"))
    if not parts:
        return Suggestion(dict(USUAL), "Nothing is known of its rate yet: these are the usual numbers.")
    maxlen = round_up(max(NODE_ENTRIES, *(number for number, _ in parts)))
    why, size = "; ".join(told for _, told in parts), entry_bytes(state)
    if size and maxlen * size > MOST_BYTES:
        maxlen = max(NODE_ENTRIES, int(MOST_BYTES / size))
        why += f"; but at {size_text(size)} an entry, {size_text(MOST_BYTES)} hold {maxlen:,}"
    return Suggestion(bounds_around(maxlen, lag=lag), f"{why[0].upper()}{why[1:]}.")


def bounds_around(maxlen: int, *, lag: int = 0) -> dict[str, Any]:
    """The usual numbers in the proportions of that maxlen; `lag`: the largest, which the ceiling leaves room for."""
    hard = max(3 * maxlen, round_up(lag))
    return {**USUAL, "maxlen": maxlen, "trim_threshold": maxlen + maxlen // 5, "hard_maxlen": hard}


def entries_per_second(state: StreamState) -> float | None:
    """Over the life of the entries that are there, ten minutes at least: a burst is no rate. None: no one knows."""
    age = state.oldest_age
    return None if age is None or state.length < 2 else state.length / max(age, KEEPS).total_seconds()


def round_up(number: int) -> int:
    """To two digits: 1,234 → 1,300."""
    step: int = 10 ** max(0, len(str(number)) - 2)
    return -(-number // step) * step

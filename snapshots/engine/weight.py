"""Bounds what JSON takes once it is parsed: 64 MiB of `[],[],…` would be 1.4 GB of empty lists. Parses nothing."""

from __future__ import annotations

MAX_PARSED_BYTES = 512 * 2**20  # twice what 100,000 tickers of 47 fields take
LIGHT_BYTES = 4 * 2**20  # no text of so many bytes takes half of that

# What each of these may cost, at most, in CPython: an object or list of one item, a string, any other value.
_COSTS = ((b"{", 240), (b"[", 64), (b'"', 30), (b",", 40))


def parsed_bytes(text: bytes) -> int:
    """At most so many; more than that where braces and commas stand inside of strings."""
    return len(text) + sum(cost * text.count(mark) for mark, cost in _COSTS)


def is_too_heavy(text: bytes) -> bool:
    return len(text) > LIGHT_BYTES and parsed_bytes(text) > MAX_PARSED_BYTES

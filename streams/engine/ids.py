"""Entry ids: parsed, so that they compare as numbers. Makes none up."""

from __future__ import annotations

from typing import NamedTuple


class EntryId(NamedTuple):
    """Milliseconds and sequence, each 64 bits on the server; Python's integers hold both whole."""

    ms: int
    seq: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"


def parse_id(text: str | bytes) -> EntryId:
    """`b"1700000000000-3"`, or `"1700000000000"`, which the server reads as `…-0`. Raises ValueError."""
    written = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    ms, dash, seq = written.partition("-")
    if not (ms.isdecimal() and ms.isascii() and (not dash or (seq.isdecimal() and seq.isascii()))):
        raise ValueError(f"{written!r} is no entry id: two whole numbers with a dash between are expected.")
    return EntryId(int(ms), int(seq or 0))

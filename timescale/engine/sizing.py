"""Estimates how long a step over many rows takes, from measured speeds. A guess for a person, never a deadline."""

from __future__ import annotations

from datetime import timedelta

# Rows a second on two shared cores, 16 columns and two indexes; a larger machine is faster, a busy one slower.
SCANNED, INDEXED, MOVED, DELETED, DECOMPRESSED, REFRESHED = 1_000_000, 400_000, 50_000, 20_000, 150_000, 120_000

BYTES_A_ROW = 400  # of a scan with a short metadata, its index entries included


def rows_of(*, estimate: int | None, size_bytes: int) -> int:
    """The planner's estimate; where there was no ANALYZE yet, what such a size usually holds."""
    return estimate if estimate is not None and estimate > 0 else size_bytes // BYTES_A_ROW


def duration(rows: int, *, rows_a_second: int) -> timedelta:
    return timedelta(seconds=rows / rows_a_second)

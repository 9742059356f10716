"""Estimates how long a step over many rows takes, from measured speeds. A guess for a person, never a deadline."""

from __future__ import annotations

from datetime import timedelta

# Rows a second of one core, 16 columns, a metadata of 15 keys and two indexes, and a third less for what is written to
# disk; on a machine that does much else it takes as much longer. COMPARED: grouped by their key, as often as it takes.
SCANNED, COMPARED, INDEXED, MOVED, DELETED = 1_000_000, 185_000, 400_000, 60_000, 20_000
DECOMPRESSED, REFRESHED = 150_000, 120_000

BYTES_A_ROW = 400  # of a scan with a short metadata, its index entries included


def rows_of(*, estimate: int | None, size_bytes: int) -> int:
    """The planner's estimate; where there was no ANALYZE yet, what such a size usually holds."""
    return estimate if estimate is not None and estimate > 0 else size_bytes // BYTES_A_ROW


def duration(rows: int, *, rows_a_second: int) -> timedelta:
    return timedelta(seconds=rows / rows_a_second)

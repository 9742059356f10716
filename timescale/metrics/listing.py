"""The order of the list, and when a disk is full: what a person asks of it in its address. Reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext

from timescale.engine.growth import days_until
from timescale.metrics.summary import HypertableRow, HypertablesSummary

# The columns of the list that it can be sorted by, as they stand in the address.
SORTABLE = {
    "table": "table",
    "size": "bytes",
    "rows": "rows_estimate",
    "growth": "growth_per_day",
    "saved": "saved_ratio",
    "chunks": "chunks",
    "keeps": "drop_after",
}


@dataclass(frozen=True)
class DiskOutlook:
    """`bytes` None: nobody asked, or `error` says what was wrong with it. `days` None: it does not fill, or unknown."""

    said: str
    bytes: int | None = None
    days: float | None = None
    error: str = ""


def sort_rows(rows: Sequence[HypertableRow], asked: str) -> list[HypertableRow]:
    """By `size`, or `-size` for the largest first. What is unknown stands last either way."""
    name = SORTABLE.get(asked.removeprefix("-"))
    if name is None:
        return list(rows)
    known = [row for row in rows if getattr(row, name) is not None]
    known.sort(key=lambda row: getattr(row, name), reverse=asked.startswith("-"))
    return known + [row for row in rows if getattr(row, name) is None]


def disk_outlook(said: str, summary: HypertablesSummary) -> DiskOutlook:
    """When a disk of that many gigabytes is full at the growth of the last day."""
    said = said.strip()
    if not said:
        return DiskOutlook("")
    try:
        size = int(float(said) * 10**9)
    except (ValueError, OverflowError):
        return DiskOutlook(said, error=gettext("A number of gigabytes, like 100."))
    if size <= 0:
        return DiskOutlook(said, error=gettext("A number above 0."))
    days = days_until(size, used=summary.database_bytes, growth_per_day=summary.database_growth_per_day)
    return DiskOutlook(said, size, days)

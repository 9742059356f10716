"""How large a proof is, and what of it this machine has room for. Measures nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from tradeul_ops.demo.market import TICK
from tradeul_ops.demo.universe import TICKERS

ROW_BYTES = 900  # of the guide's table with its indexes: 837 are the guide's own, the rest is slack
DISK_SHARE = 0.6  # of what is free: both sides' tables, write-ahead logs and Redis's dumps have to fit into it
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Scale:
    """`records_an_entry` is how many records one entry of snapshots:raw carries; `notes` say what was made smaller."""

    name: str
    tickers: int
    ticks: int
    records_an_entry: int
    history_symbols: int
    history_time: timedelta
    full_snapshot_interval: timedelta
    notes: tuple[str, ...] = ()

    @property
    def history_rows(self) -> int:
        """Scans of the time before: each symbol's, one a minute."""
        return self.history_symbols * int(self.history_time / MINUTE)

    @property
    def warm_up(self) -> int:
        """Ticks until nothing fills up any more: the deltas' stream keeps two full intervals."""
        return 2 * int(self.full_snapshot_interval / TICK) + 2

    @property
    def market_time(self) -> timedelta:
        return self.ticks * TICK


# The guide's 743 MB are mostly 50,003 entries of snapshots:raw: at 200 a tick, and 18 records each.
FULL = Scale(
    "full",
    tickers=TICKERS,
    ticks=251,
    records_an_entry=18,
    history_symbols=500,
    history_time=timedelta(minutes=25_000),  # 12.5 million rows; in the last three days the guide's two million
    full_snapshot_interval=timedelta(minutes=5),
)
SMALL = Scale(
    "small",
    tickers=1_000,
    ticks=120,
    records_an_entry=3,
    history_symbols=35,
    history_time=timedelta(days=4),
    full_snapshot_interval=timedelta(minutes=2),
    notes=(
        "1,000 tickers instead of 11,900: snapshots and their deltas are that much smaller on both sides",
        "a full snapshot every 2 minutes instead of 5, so that its stream of deltas is full within the run",
        "10 minutes of market, and 201,600 older scans instead of 12.5 million: what grows had little time to",
    ),
)
SCALES = {scale.name: scale for scale in (SMALL, FULL)}


def fitting(scale: Scale, *, disk_free: int, memory_free: int) -> Scale:
    """The scale, with fewer older scans or entries where they would not fit. Both in bytes."""
    bytes_a_symbol = 2 * ROW_BYTES * int(scale.history_time / MINUTE)
    symbols = min(scale.history_symbols, max(1, int(disk_free * DISK_SHARE / bytes_a_symbol)))
    if symbols < scale.history_symbols:
        fewer = replace(scale, history_symbols=symbols)
        note = f"{fewer.history_rows:,} older scans instead of {scale.history_rows:,}"
        scale = replace(fewer, notes=(*scale.notes, f"{note}: {disk_free / 1e9:.1f} GB of disk are free"))
    needed = scale.ticks * 200 * scale.records_an_entry * 800 * 2  # the old streams, and once more while Redis saves
    if needed > memory_free:
        records = max(1, int(scale.records_an_entry * memory_free / needed))
        note = f"entries of {records} records instead of {scale.records_an_entry}"
        note = f"{note}: {memory_free / 1e9:.1f} GB of memory are free"
        scale = replace(scale, records_an_entry=records, notes=(*scale.notes, note))
    return scale

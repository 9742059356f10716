"""The tables that are kept bounded, their aggregates, and the policies that bound them."""

from timescale.models.aggregates import ScanHour, ScanMinute
from timescale.models.policies import AggregatePolicy, HypertablePolicy, RetentionRun
from timescale.models.rows import MarketDataDaily, ScanResult, VolumeSlot, VolumeSlotAverage

__all__ = [
    "AggregatePolicy",
    "HypertablePolicy",
    "MarketDataDaily",
    "RetentionRun",
    "ScanHour",
    "ScanMinute",
    "ScanResult",
    "VolumeSlot",
    "VolumeSlotAverage",
]

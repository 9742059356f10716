"""The tables that are kept bounded, their aggregates, and the policies that bound them."""

from timescale.models.aggregates import ScanHour, ScanMinute
from timescale.models.policies import AggregatePolicy, HypertablePolicy, RetentionRun
from timescale.models.rows import MarketDataDaily, ScanResult, VolumeSlot, VolumeSlotAverage
from timescale.models.seeing import AppliedSetting, RetentionGrace, TableAction, TableSample

__all__ = [
    "AggregatePolicy",
    "AppliedSetting",
    "HypertablePolicy",
    "MarketDataDaily",
    "RetentionGrace",
    "RetentionRun",
    "ScanHour",
    "ScanMinute",
    "ScanResult",
    "TableAction",
    "TableSample",
    "VolumeSlot",
    "VolumeSlotAverage",
]

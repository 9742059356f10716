"""What the pages and /metrics say about tables and aggregates, as values. Changes nothing."""

from timescale.metrics.detail import AggregateDetail, TableDetail, aggregate_detail, table_detail
from timescale.metrics.guide import guide_metrics
from timescale.metrics.listing import disk_outlook, sort_rows
from timescale.metrics.summary import AggregateRow, HypertableRow, HypertablesSummary, hypertables_summary

__all__ = [
    "AggregateDetail",
    "AggregateRow",
    "HypertableRow",
    "HypertablesSummary",
    "TableDetail",
    "aggregate_detail",
    "disk_outlook",
    "guide_metrics",
    "hypertables_summary",
    "sort_rows",
    "table_detail",
]

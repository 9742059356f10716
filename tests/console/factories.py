"""Summaries as the apps' metrics would return them, all well unless told otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from snapshots.metrics import SnapshotRow, SnapshotsSummary
from streams.metrics import Glance, NamelessFound, RedisMemory, StreamRow, StreamsOverview, StreamsSummary
from timescale.metrics import HypertableRow, HypertablesSummary
from timescale.store.sizes import Sizes
from tradeul_ops.console.overview import Overview
from tradeul_ops.console.panels import Panel
from tradeul_ops.console.processes import Process, Processes

NOW = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)


def stream_row(stream: str = "snapshots:raw", **changes: Any) -> StreamRow:
    values: dict[str, Any] = {
        "stream_id": 1,
        "stream": stream,
        "limit_id": 1,
        "own": stream,
        "is_own": True,
        "enabled": True,
        "exists": True,
        "length": 900,
        "maxlen": 1000,
        "trim_threshold": 1200,
        "trim_interval": timedelta(seconds=30),
        "max_age": None,
        "max_bytes": None,
        "hard_maxlen": 3000,
        "protect_groups": True,
        "approximate": True,
        "usage_ratio": 0.9,
        "bytes": 10_800_000,
        "oldest_age": timedelta(minutes=5),
        "entries_added": 50_003,
        "groups": (),
        "held_by": None,
        "condition": "within",
        "why": "900 of 1,000 entries.",
        "arithmetic": None,
        "ceiling_bytes": 32_400_000,
        "last_trim": None,
    }
    return StreamRow(**{**values, **changes})


def memory(**changes: Any) -> RedisMemory:
    values: dict[str, Any] = {
        "used_bytes": 182_000_000,
        "peak_bytes": 190_000_000,
        "rss_bytes": 200_000_000,
        "maxmemory_bytes": 5_000_000_000,
        "policy": "noeviction",
        "version": "Valkey 9.1.2",
        "evicts_whole_keys": False,
    }
    return RedisMemory(**{**values, **changes})


def streams_summary(*rows: StreamRow, **changes: Any) -> StreamsSummary:
    """What the metrics are made of: every stream whole."""
    return StreamsSummary(**{**_of_all(), "rows": rows or (stream_row(),), **changes})


def streams(*rows: StreamRow, **changes: Any) -> StreamsOverview:
    """What the overview is made of: each of these at a glance, and shown."""
    rows = rows or (stream_row(),)
    values = {
        "glances": tuple(map(glance, rows)),
        "rows": rows,
        "abandoned": tuple(group for row in rows for group in row.abandoned),
        "hour": (),
    }
    return StreamsOverview(**{**_of_all(), **values, **changes})


def glance(row: StreamRow) -> Glance:
    names = ("stream", "own", "limit_id", "enabled", "length", "maxlen", "usage_ratio", "bytes", "condition", "why")
    return Glance(held_by=row.held_by or "", **{name: getattr(row, name) for name in names})


def _of_all() -> dict[str, Any]:
    return {
        "memory": memory(),
        "unmanaged": (),
        "nameless": NamelessFound(),
        "producers": (),
        "version": 1,
        "trimmed_entries": 48_991,
        "trimmed_bytes": 612_000_000,
        "read_at": NOW,
    }


def snapshot_row(**changes: Any) -> SnapshotRow:
    values: dict[str, Any] = {
        "policy_id": 1,
        "name": "enriched",
        "enabled": True,
        "source_key": "snapshot:enriched:latest",
        "condition": "within",
        "why": "Built 3 s ago.",
        "epoch": "e",
        "sequence": 12,
        "tickers": 11_900,
        "raw_bytes": 9_010_000,
        "full_bytes": 893_000,
        "delta_bytes": 65_000,
        "delta_median_bytes": 65_000,
        "chain_length": 11,
        "age": timedelta(seconds=3),
        "full_age": timedelta(seconds=58),
        "last_kind": "delta",
        "last_reason": "",
        "last_failed": "",
        "build_ms": 140.0,
        "stored_bytes": 1_700_000,
    }
    return SnapshotRow(**{**values, **changes})


def table_row(table: str = "scan_results", **changes: Any) -> HypertableRow:
    values: dict[str, Any] = {
        "policy_id": 1,
        "table": table,
        "is_hypertable": False,
        "enabled": True,
        "bytes": 1_400_000_000,
        "sizes": Sizes(bytes=1_400_000_000),
        "rows_estimate": 2_000_000,
        "oldest_at": NOW - timedelta(days=2),
        "drop_after": timedelta(days=3),
        "chunk_time_interval": None,
        "chunks": None,
        "compressed_chunks": None,
        "saved_ratio": None,
        "growth_per_day": None,
        "enforced_by": "beat: batched DELETE",
        "columnstore": "not on this edition",
        "last_run": NOW,
        "last_run_detail": "nothing to drop",
        "last_failed": False,
        "condition": "within",
        "why": "Nothing is older than 3 days.",
        "differences": (),
        "diagnoses": (),
        "to_compress": None,
        "grace": None,
        "action": None,
    }
    return HypertableRow(**{**values, **changes})


def tables(*rows: HypertableRow) -> HypertablesSummary:
    return HypertablesSummary(
        edition="none",
        edition_version=None,
        edition_means="Plain PostgreSQL: beat deletes old rows in batches.",
        server_version="18.4",
        rows=rows or (table_row(),),
        aggregates=(),
        unmanaged=(),
        database_bytes=1_500_000_000,
        database_growth_per_day=None,
        workers=None,
        dropped_rows=0,
        read_at=NOW,
    )


def overview(*, read_at: datetime = NOW, **changes: Any) -> Overview:
    """A panel may be given as its value."""
    seen = NOW - timedelta(seconds=1)
    values: dict[str, Any] = {
        "streams": streams(),
        "snapshots": SnapshotsSummary(rows=(snapshot_row(),), fulls=1, deltas=11, saved_bytes=100_000_000, read_at=NOW),
        "hypertables": tables(),
        "processes": Processes(Process("worker", seen, "within"), Process("beat", seen, "within"), NOW),
        **changes,
    }
    panels = {
        name: value if isinstance(value, Panel) else Panel(name.capitalize(), value, read_at)
        for name, value in values.items()
    }
    return Overview(**panels, read_at=read_at)

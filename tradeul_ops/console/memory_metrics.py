"""The answer of /api/v1/internal/memory-metrics: the integration guide's shape, and beside it what else is useful."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import snapshots.metrics
import streams.metrics
import timescale.metrics
from tradeul_ops.console.panels import Panel, read
from tradeul_ops.console.processes import processes_summary


def read_memory_metrics(*, now: datetime) -> tuple[dict[str, Any], dict[str, str]]:
    """The metrics, and per part that could not be read the reason; such a part is null."""
    parts: dict[str, Panel[Any]] = {
        "streams": read("metrics: streams", streams.metrics.guide_metrics, now=now),
        "timescaledb": read("metrics: timescaledb", timescale.metrics.guide_metrics, now=now),
        "snapshots": read("metrics: snapshots", _snapshots, now=now),
        "redis": read("metrics: redis", _redis, now=now),
        "processes": read("metrics: processes", _processes, now=now),
    }
    metrics = {name: None if panel.stale else panel.value for name, panel in parts.items()}
    errors = {name: panel.error for name, panel in parts.items() if panel.stale}
    return {**metrics, "timestamp": now.isoformat()}, errors


def _snapshots(*, now: datetime) -> list[dict[str, Any]]:
    return [asdict(row) for row in snapshots.metrics.snapshots_summary(now=now).rows]


def _redis(*, now: datetime) -> dict[str, Any]:
    return asdict(streams.metrics.redis_memory(now=now))


def _processes(*, now: datetime) -> dict[str, Any]:
    summary = processes_summary(now=now)
    return {
        process.role: {"last_seen": process.last_seen, "condition": process.condition}
        for process in (summary.worker, summary.beat)
    }

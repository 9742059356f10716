"""The integration guide's metrics, field for field. Changes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from streams.metrics.summary import is_enforced, read_enforcement, streams_summary
from streams.metrics.values import StreamRow


def guide_metrics(*, now: datetime) -> dict[str, Any]:
    """The integration guide's two objects, field for field, and more. Raises store.StoreUnavailable."""
    rows = streams_summary(now=now).rows
    totals = read_enforcement()
    return {
        "stats": {
            "is_running": is_enforced(totals, now),
            "active_trim_tasks": sum(row.enabled for row in rows),
            "total_adds": _total_adds(rows),
            "total_trims": totals.trims,
            "bytes_trimmed": totals.bytes_trimmed,
            "entries_trimmed": totals.trimmed,
            "entries_forced": totals.forced,
        },
        "details": [
            {
                "stream": row.stream,
                "length": row.length,
                "maxlen": row.maxlen,
                "usage_percent": None if row.usage_ratio is None else round(row.usage_ratio * 100, 1),
                "bytes": row.bytes,
                "hard_maxlen": row.hard_maxlen,
                "condition": row.condition,
                "held_by": row.held_by,
                "lag": {group.name: group.lag for group in row.groups},
            }
            for row in rows
        ],
    }


def _total_adds(rows: tuple[StreamRow, ...]) -> int | None:
    """None before Redis 7, which does not count them."""
    counted = [row.entries_added for row in rows if row.entries_added is not None]
    return sum(counted) if counted or not any(row.exists for row in rows) else None

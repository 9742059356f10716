"""The `timescaledb` block of /api/v1/internal/memory-metrics. Reads nothing but the summary."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from timescale.engine.edition import Edition
from timescale.metrics.summary import HypertableRow, HypertablesSummary, hypertables_summary


def guide_metrics(*, now: datetime) -> dict[str, object]:
    """The guide's two words, true ones, and figures."""
    summary = hypertables_summary(now=now)
    return {
        "retention_policies": _retention_word(summary.rows),
        "compression": _compression_word(summary),
        "edition": summary.edition,
        "version": summary.edition_version,
        "database_bytes": summary.database_bytes,
        "rows_dropped": summary.dropped_rows,
        "tables": [
            {
                "table": row.table,
                "hypertable": row.is_hypertable,
                "bytes": row.bytes,
                "rows_estimate": row.rows_estimate,
                "oldest_at": row.oldest_at.isoformat() if row.oldest_at else None,
                "drop_after_seconds": int(row.drop_after.total_seconds()),
                "enforced_by": row.enforced_by,
                "chunks": row.chunks,
                "compressed_chunks": row.compressed_chunks,
                "saved_percent": None if row.saved_ratio is None else round(100 * row.saved_ratio, 1),
                "condition": row.condition,
            }
            for row in summary.rows
        ],
    }


def _retention_word(rows: Sequence[HypertableRow]) -> str:
    words = {row.condition for row in rows}
    for word, said in (("over", "behind"), ("unknown", "unknown"), ("attention", "attention")):
        if word in words:
            return said
    return "active" if rows else "none"


def _compression_word(summary: HypertablesSummary) -> str:
    if summary.edition != Edition.COMMUNITY:
        return "not on this edition"
    return "enabled" if any(row.columnstore.startswith("after") for row in summary.rows) else "off"

"""Sizes and times as the sentences of runs and previews say them. Formats nothing for a table."""

from __future__ import annotations

from datetime import timedelta


def size_text(number: float) -> str:
    if number < 100:
        return f"{number:.0f} B"
    return f"{number / 1e6:,.1f} MB" if number >= 100_000 else f"{number / 1e3:,.1f} KB"


def span_text(span: timedelta) -> str:
    """One unit: these are estimates. 45 s, 38 min, 2.5 h, 12 days."""
    seconds = span.total_seconds()
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h".replace(".0 h", " h")
    return f"{seconds / 86400:.0f} days"

"""Spells an amount of bytes for a person, as the pages do. Parses nothing."""

from __future__ import annotations


def spell_bytes(value: float) -> str:
    """Decimal units: 10812000 → 10.8 MB."""
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if abs(value) >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} B"

"""Reads files of NASDAQ's screener, a trading day each, as records. Measures nothing."""

from __future__ import annotations

import json
from typing import Any

from tradeul_ops.proof.writers import Records


def real_days(folder: Any) -> list[Records]:
    """NASDAQ's screener, a file a day: its texts as the numbers that they are, None where they are none."""
    import zstandard

    days = []
    for path in sorted(folder.glob("*.json.zst")):
        listed = json.loads(zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=2**26))
        days.append({row["symbol"]: _numbers(row) for row in listed})
    return days


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    def number(name: str) -> float | None:
        try:
            return float(str(row[name]).strip("$%").replace(",", ""))
        except ValueError:
            return None

    record = {
        key: row[key] for key in ("symbol", "name", "country", "ipoyear", "industry", "sector", "url", "exchange")
    }
    record |= {"price": number("lastsale"), "change": number("netchange"), "change_percent": number("pctchange")}
    return record | {"volume_today": number("volume"), "market_cap": number("marketCap")}

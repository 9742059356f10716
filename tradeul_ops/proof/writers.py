"""Snapshot writers to measure against: gzipped JSON, and the integration guide's manager as its text describes it."""

from __future__ import annotations

import gzip
import time
import zlib
from typing import Any

import msgpack
import orjson

Records = dict[str, dict[str, Any]]


class Watch:
    """CPU of this process, by phase, in ms."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._at = time.process_time()

    def lap(self, phase: str) -> None:
        before, self._at = self._at, time.process_time()
        self.phases[phase] = (self._at - before) * 1000

    def skip(self) -> None:
        self._at = time.process_time()


class Gzip:
    """All records at each tick, gzip level 6."""

    name = "JSON + gzip"

    def write(self, records: Records, reply: bytes, *, watch: Watch) -> bytes:
        self._records = records
        stored = gzip.compress(orjson.dumps(records), 6)
        watch.lap("encode")
        return stored

    def read(self) -> Records:
        return self._records


class Guide:
    """A full now and then; in between the whole tickers that moved beyond a threshold since the tick before.

    Moved: price by 0.1 %, rvol by 5 %, volume_today by 10 %, change_percent by 0.5, or another score. msgpack, then
    zlib: level 6 for a full, 3 for a delta of more than a hundred tickers. Each tick it takes len(str(…)) of all
    records, for its log line. Nulls, on which its comparison raises TypeError, are read as 0.
    """

    name = "guide"

    def __init__(self) -> None:
        self._before: Records = {}
        self._reader: Records = {}

    def write(self, records: Records, reply: bytes, *, watch: Watch) -> bytes:
        before, self._before = self._before, records
        document: dict[str, Any]
        if not before:
            document, level = dict(records), 6
            self._reader = dict(records)
        else:
            both = records.keys() & before.keys()
            moved = [symbol for symbol in both if _moved(before[symbol], records[symbol])]
            document = {
                "added": [{"symbol": symbol, "data": records[symbol]} for symbol in records.keys() - before.keys()],
                "updated": [{"symbol": symbol, "data": records[symbol]} for symbol in moved],
                "removed": list(before.keys() - records.keys()),
                "unchanged_count": len(both) - len(moved),
                "timestamp": "2026-03-09T14:30:00.000000",
            }
            level = 3 if len(records) - document["unchanged_count"] > 100 else 0
            watch.lap("diff")
        packed = msgpack.packb(document)
        watch.lap("pack")
        stored = zlib.compress(packed, level) if level else packed
        watch.lap("zlib")
        len(str(records).encode())
        watch.lap("log line")
        if before:
            for symbol in document["removed"]:
                self._reader.pop(symbol, None)
            for entry in document["added"] + document["updated"]:
                self._reader[entry["symbol"]] = entry["data"]
        watch.skip()
        return stored

    def read(self) -> Records:
        return self._reader


def _moved(before: dict[str, Any], record: dict[str, Any]) -> bool:
    for name, share in (("price", 0.001), ("rvol", 0.05), ("volume_today", 0.1)):
        old, new = before.get(name) or 0, record.get(name) or 0
        if old > 0 and abs(new - old) / old > share:
            return True
    if before.get("score") != record.get("score"):
        return True
    apart: float = (record.get("change_percent") or 0) - (before.get("change_percent") or 0)
    return abs(apart) > 0.5


def price_off(has: dict[str, Any] | None, record: dict[str, Any]) -> float:
    """How far a reader's price is off, as a share of it; 1 for a ticker that it does not have."""
    seen, true = (has or {}).get("price"), record["price"]
    if seen is None or not true:
        return float(seen != true)
    return float(abs(seen - true) / abs(seen))

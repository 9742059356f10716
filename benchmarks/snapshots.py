"""Measures snapshots on the demo's market: bytes and CPU of a tick, next to the baselines it names. Needs no server.

    python benchmarks/snapshots.py [--tickers 11900] [--ticks 12]

Each regime begins with a full. All writers see the same ticks, and each has a reader who applies every document:

JSON + gzip            all records at each tick, gzip level 6
guide                  the integration guide's manager as its text describes it: a full, then whole tickers whose
                       price moved by more than 0.1 % or rvol by more than 5 % since the tick before; zlib level 6 of
                       JSON, as msgpack is not installed
ours, hash             what the worker does: symbol → JSON as HGETALL answers (hiredis); unchanged bytes are not parsed
ours, dicts            what SnapshotManager does with records in memory
ours, dicts, guide's   the same, waiting within the guide's thresholds

The baselines begin with records in memory too. CPU is of this process, in ms: trust the ratios.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import sys
import time
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import hiredis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from snapshots.engine import chain, codec
from snapshots.engine.build import Build, encode, prepare
from snapshots.engine.plan import Options
from snapshots.engine.source import changes_of_fields
from snapshots.engine.state import to_records
from snapshots.publisher._author import author_of
from tradeul_ops.demo.market import CYCLE, NORMAL, OPEN, QUIET, Market, Regime
from tradeul_ops.demo.universe import securities

START = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)
PRICE, RVOL = 0.001, 0.05
Records = dict[str, dict[str, Any]]


class Watch:
    """CPU of this process, by phase."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._at = time.process_time()

    def lap(self, phase: str) -> None:
        before, self._at = self._at, time.process_time()
        self.phases[phase] = (self._at - before) * 1000


class Gzip:
    name = "JSON + gzip"

    def write(self, records: Records, reply: bytes, *, watch: Watch) -> bytes:
        self._records = records
        stored = gzip.compress(json.dumps(records, separators=(",", ":")).encode(), 6)
        watch.lap("encode")
        return stored

    def read(self) -> Records:
        return self._records


class Guide:
    name = "guide"

    def __init__(self) -> None:
        self._before: Records = {}
        self._reader: Records = {}

    def write(self, records: Records, reply: bytes, *, watch: Watch) -> bytes:
        before, self._before = self._before, records
        if not before:
            document = {"type": "full", "data": records}
        else:
            added = {symbol: record for symbol, record in records.items() if symbol not in before}
            both = ((symbol, record) for symbol, record in records.items() if symbol in before)
            updated = {symbol: record for symbol, record in both if self._moved(before[symbol], record)}
            removed = [symbol for symbol in before if symbol not in records]
            document = {"type": "delta", "added": added, "updated": updated, "removed": removed}
        watch.lap("diff")
        stored = zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 6)
        watch.lap("encode")
        self._reader |= document.get("data") or document["added"] | document["updated"]
        return stored

    def read(self) -> Records:
        return self._reader

    @staticmethod
    def _moved(before: dict[str, Any], record: dict[str, Any]) -> bool:
        for name, share in (("price", PRICE), ("rvol", RVOL)):
            old, new = before[name] or 0.0, record[name] or 0.0  # rvol may be null here; the guide has no such case
            if old > 0 and abs(new - old) / old > share:
                return True
        return False


class Ours:
    """`reads`: what each document took to be read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reads: list[float] = []
        self._at: chain.Published | None = None

    def follow(self, build: Build) -> bytes:
        watch = Watch()
        part = build.full or build.delta
        assert part is not None
        document = codec.read(codec.unpack(part.stored))
        first = build.full or self._at is None
        self._at = chain.open_full(document) if first else chain.follow(self._at, document=document)
        watch.lap("read")
        self.reads.append(watch.phases["read"])
        return part.stored

    def read(self) -> Records:
        assert self._at is not None
        return to_records(self._at.state)


class Worker(Ours):
    def __init__(self) -> None:
        super().__init__("ours, hash")
        self._published: chain.Published | None = None
        self._raw: Mapping[str, bytes] = {}
        self._full_bytes = 0

    def write(self, records: Records, reply: bytes, *, watch: Watch) -> bytes:
        reader = hiredis.Reader()
        reader.feed(reply)
        words = iter(reader.gets())
        fields = dict(zip(words, words, strict=True))
        watch.lap("reply")
        row_of = self._published.state.row_of if self._published else {}
        changes = changes_of_fields(fields, raw_before=self._raw, published=row_of, source="benchmark")
        watch.lap("parse")
        how: Any = {"name": "benchmark", "new_epoch": "epoch", "now_ms": 0, "options": Options()}
        prepared = prepare(self._published, upserts=changes.upserts, removals=changes.removals, **how)
        watch.lap("diff")
        build = encode(prepared, options=Options(), full_bytes=self._full_bytes)
        watch.lap("encode")
        self._published, self._raw = build.published, changes.raw
        self._full_bytes = len(build.full.stored) if build.full else self._full_bytes
        return self.follow(build)


class Manager(Ours):
    def __init__(self, name: str, *, price: float | None = None, rvol: float | None = None) -> None:
        super().__init__(name)
        how: Any = {"full_snapshot_interval": 300, "delta_compression_threshold": 100, "lease_seconds": 15}
        how |= {"name": "benchmark", "writer": "benchmark", "clock": lambda: 0.0}
        self._author = author_of(min_price_change_percent=price, min_rvol_change_percent=rvol, **how)

    def write(self, records: Records, reply: bytes, *, watch: Watch) -> bytes:
        build = self._author.build(records)
        watch.lap("encode")
        self._author.confirm(build)
        return self.follow(build)


def reply_of(fields: Mapping[str, bytes]) -> bytes:
    """As a server answers HGETALL."""
    words = [word for symbol, record in fields.items() for word in (symbol.encode(), record)]
    return b"*%d\r\n%s" % (len(words), b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))


def regime_table(regime: Regime, *, tickers: int, ticks: int) -> None:
    market = Market(1, securities(tickers), START)
    market.number = CYCLE.index(regime)
    fields: dict[str, bytes] = dict(market.records)
    records: Records = {symbol: json.loads(record) for symbol, record in fields.items()}
    manager = Manager("ours, dicts, guide's", price=PRICE, rvol=RVOL)
    writers: list[Any] = [Gzip(), Guide(), Worker(), Manager("ours, dicts"), manager]
    sizes: dict[str, list[int]] = {writer.name: [] for writer in writers}
    costs: dict[str, list[dict[str, float]]] = {writer.name: [] for writer in writers}
    changed = []
    for number in range(ticks + 1):
        if number:
            tick = market.tick()
            assert tick.regime is regime, f"{ticks} ticks are more than the {regime.name} regime has in a row"
            changed.append(len(tick.changed) / tickers)
            fields = fields | tick.changed
            records = records | {symbol: json.loads(record) for symbol, record in tick.changed.items()}
        reply = reply_of(fields)
        for writer in writers:
            watch = Watch()
            sizes[writer.name].append(len(writer.write(records, reply, watch=watch)))
            costs[writer.name].append(watch.phases)
    print(
        f"\n{regime.name}: {ticks} ticks, {median(changed):.0%} of the tickers changed in each; medians, and at the end"
    )
    names = (
        ("full KB", 8),
        ("ms", 6),
        ("delta KB", 10),
        ("max", 7),
        ("ms", 6),
        ("max", 6),
        ("stale", 7),
        ("price off", 11),
    )
    print(" " * 22 + "".join(f"{name:>{width}}" for name, width in names) + "  phases, ms")
    for writer in writers:
        (full, *deltas), (full_cost, *delta_costs) = sizes[writer.name], costs[writer.name]
        totals = [sum(phases.values()) for phases in delta_costs]
        phases = {phase: median(each[phase] for each in delta_costs) for phase in delta_costs[0]}
        if isinstance(writer, Ours):
            phases["to follow"] = median(writer.reads[1:])
        has = writer.read()
        stale = sum(has.get(symbol) != record for symbol, record in records.items())
        off = max(abs(has[symbol]["price"] - record["price"]) / record["price"] for symbol, record in records.items())
        print(
            f"{writer.name:22}{full / 1e3:8.0f}{sum(full_cost.values()):6.0f}{median(deltas) / 1e3:10.1f}"
            f"{max(deltas) / 1e3:7.1f}{median(totals):6.0f}{max(totals):6.0f}{stale:7,}{off:11.3%}  "
            + ", ".join(f"{phase} {ms:.0f}" for phase, ms in phases.items())
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tickers", type=int, default=11_900)
    parser.add_argument("--ticks", type=int, default=12)
    arguments = parser.parse_args()
    gc.set_threshold(50_000, 20, 100)  # as the worker does; see snapshots/tasks.py
    raw = sum(map(len, Market(1, securities(arguments.tickers), START).records.values()))
    print(f"{arguments.tickers:,} tickers, {raw / 1e6:.2f} MB of JSON")
    for regime in (QUIET, NORMAL, OPEN):
        regime_table(regime, tickers=arguments.tickers, ticks=arguments.ticks)


if __name__ == "__main__":
    main()

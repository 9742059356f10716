"""Measures snapshots on a simulated market and on real days: bytes and CPU of a tick, next to the baselines it names.

    python benchmarks/snapshots.py [--tickers 11900] [--ticks 12] [--days FOLDER]

Needs no server. Each regime begins with a full. All writers see the same ticks, and each has a reader who applies every
document; at the end what that reader has is compared with the source:

JSON + gzip            all records at each tick
guide                  the integration guide's manager as its text describes it; proof/writers.py says how
ours, hash             what the worker does: symbol → JSON as HGETALL answers (hiredis); unchanged bytes are not parsed
ours, dicts            what SnapshotManager does with records in memory
ours, guide's profile  the same, waiting within the guide's thresholds

The market is _market.py's; half-way through each regime its slot of five minutes turns, and everybody changes. CPU is
of this process, in ms: trust the ratios, which are medians over the ticks. A tick of "ours, hash" begins with the
reply's bytes, so the guide's that it is compared with includes taking these apart; with dicts neither does.
To follow is measured in a process of its own, the median of three readers: in this one the other writers' garbage makes
each array that a reader asks for dearer, the longer the dearer.
--days: a folder of NASDAQ screener files, one a trading day, `YYYY-MM-DD.json.zst`; each day is a tick.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Iterator, Mapping
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import hiredis
import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._days import real_days
from benchmarks._market import Market
from benchmarks._measure import Row
from snapshots.engine import chain, codec, frame
from snapshots.engine.build import Build, encode, prepare
from snapshots.engine.plan import Options
from snapshots.engine.source import changes_of_fields
from snapshots.engine.state import to_records
from snapshots.publisher._author import author_of
from tradeul_ops.demo.market import NORMAL, OPEN, QUIET, Regime
from tradeul_ops.proof.writers import Guide, Gzip, Records, Watch, price_off

GOALS = {"quiet": 0.65, "normal": 0.40, "open": 0.23}


class Ours:
    def __init__(self, name: str) -> None:
        self.name = name
        self.documents: list[bytes] = []
        self._at: chain.Published | None = None

    def follow(self, build: Build) -> bytes:
        part = build.delta if build.delta and self._at else build.full
        assert part is not None
        self._at = continued(self._at, part.stored)
        self.documents.append(part.stored)
        return part.stored

    def read(self) -> Records:
        assert self._at is not None
        return to_records(self._at.state)


def continued(at: chain.Published | None, stored: bytes) -> chain.Published:
    document = codec.read(frame.unpack(stored))
    if at is None or document.header.kind == "full":
        return chain.open_full(document)
    return chain.follow(at, document=document)


def reads_of(documents: list[bytes]) -> list[float]:
    """CPU of each in ms, as a reader has it who follows in a process of its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_read_all, (documents,))


def _read_all(documents: list[bytes]) -> list[float]:
    readers: list[list[float]] = []
    for _ in range(3):
        at, found = None, []
        for stored in documents:
            watch = Watch()
            at = continued(at, stored)
            watch.lap("read")
            found.append(watch.phases["read"])
        readers.append(found)
    return [median(times) for times in zip(*readers, strict=True)]


class Worker(Ours):
    def __init__(self) -> None:
        super().__init__("ours, hash")
        self._published: chain.Published | None = None
        self._raw: Mapping[str, bytes] = {}
        self._full_bytes = 0

    def write(self, records: Records, reply: bytes, *, watch: Watch) -> bytes:
        fields = fields_of(reply)
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
        self._author.confirm(build, records)
        return self.follow(build)


def reply_of(records: Mapping[str, bytes]) -> bytes:
    """As a server answers HGETALL."""
    words = [word for symbol, record in records.items() for word in (symbol.encode(), record)]
    return b"*%d\r\n%s" % (len(words), b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))


def ticks_of(regime: Regime, *, tickers: int, ticks: int) -> Iterator[tuple[Records, dict[str, bytes]]]:
    market = Market(regime, tickers=tickers, turn_at=ticks // 2)
    records: Records = {symbol: orjson.loads(record) for symbol, record in market.fields.items()}
    yield records, market.fields
    for _ in range(ticks):
        changed = market.tick()
        records = records | {symbol: orjson.loads(record) for symbol, record in changed.items()}
        yield records, market.fields


def fields_of(reply: bytes) -> dict[bytes, bytes]:
    reader = hiredis.Reader()
    reader.feed(reply)
    words = iter(reader.gets())
    return dict(zip(words, words, strict=True))


def measure(name: str, ticks: Iterator[tuple[Records, dict[str, bytes]]], *, goal: float | None) -> list[Row]:
    guide_like = Manager("ours, guide's profile", price=0.001, rvol=0.05)
    writers: list[Any] = [Gzip(), Guide(), Worker(), Manager("ours, dicts"), guide_like]
    sizes: dict[str, list[int]] = {writer.name: [] for writer in writers}
    costs: dict[str, list[dict[str, float]]] = {writer.name: [] for writer in writers}
    parses: list[float] = []
    changed: list[float] = []
    before: dict[str, bytes] = {}
    for records, fields in ticks:
        changed.append(sum(before.get(symbol) != record for symbol, record in fields.items()) / len(fields))
        before = fields
        reply = reply_of(fields)
        watch = Watch()
        parsed = {symbol: orjson.loads(record) for symbol, record in fields_of(reply).items()}
        watch.lap("parse")
        parses.append(watch.phases["parse"])
        del parsed
        for writer in writers:
            watch = Watch()
            sizes[writer.name].append(len(writer.write(records, reply, watch=watch)))
            costs[writer.name].append(watch.phases)
    raw = sum(map(len, before.values()))
    print(f"\n{name}: {len(changed) - 1} ticks, {raw / 1e6:.2f} MB of JSON, {median(changed[1:]):.0%} changed in each")
    header = ("full KB", "delta KB", "max", "CPU ms", "to follow", "stale", "price off")
    print(" " * 22 + "".join(f"{word:>10}" for word in header) + "  phases, ms")
    figures: dict[str, tuple[int, float]] = {}
    reads = {writer.name: reads_of(writer.documents)[1:] for writer in writers if isinstance(writer, Ours)}
    for writer in writers:
        full, *deltas = sizes[writer.name]
        phases = {phase: median(cost[phase] for cost in costs[writer.name][1:]) for phase in costs[writer.name][1]}
        total = median(sum(cost.values()) for cost in costs[writer.name][1:])
        follow = f"{median(reads[writer.name]):.0f}" if writer.name in reads else ""
        has = writer.read()
        figures[writer.name] = (
            sum(has.get(symbol) != record for symbol, record in records.items()),
            max(price_off(has.get(symbol), record) for symbol, record in records.items()),
        )
        print(
            f"{writer.name:22}{full / 1e3:10.0f}{median(deltas) / 1e3:10.1f}{max(deltas) / 1e3:10.1f}{total:10.0f}"
            f"{follow:>10}{figures[writer.name][0]:10,}{figures[writer.name][1]:10.3%}  "
            + ", ".join(f"{phase} {ms:.0f}" for phase, ms in phases.items())
        )

    def cost(writer: str, *, parse: bool = False, without: str = "") -> list[float]:
        each = [sum(ms for phase, ms in one.items() if phase != without) for one in costs[writer]]
        return [ms + extra * parse for ms, extra in zip(each, parses, strict=True)][1:]

    def sized(what: str, ours: float, peer: float, at_most: float | None) -> Row:
        ratio = ours / peer
        goal = "" if at_most is None else f"≤ {at_most:.2f}"
        texts = (f"{peer / 1e3:.1f} KB", f"{ours / 1e3:.1f} KB")
        return Row(f"{name}: {what}", *texts, ratio, goal, at_most is None or round(ratio, 2) <= at_most)

    def timed(what: str, ours: list[float], peer: list[float], at_most: float | None) -> Row:
        ratio = median(mine / theirs for mine, theirs in zip(ours, peer, strict=True))
        goal = "" if at_most is None else f"≤ {at_most:.2f}"
        texts = (f"{median(peer):.0f} ms", f"{median(ours):.0f} ms")
        return Row(f"{name}: {what}", *texts, ratio, goal, at_most is None or round(ratio, 2) <= at_most)

    (guide_full, *guide), (full, *exact), (_, *held) = (
        sizes[writer] for writer in ("guide", "ours, hash", "ours, guide's profile")
    )
    is_normal = name == "normal"
    follows = median(reads["ours, dicts"])
    stale, off = figures["ours, hash"]
    profile_off = figures["ours, guide's profile"][1]
    met = stale == 0 and off == 0
    return [
        sized("full", full, guide_full, 0.44 if goal else None),
        sized("delta, median", median(exact), median(guide), goal),
        sized("delta, worst", max(exact), max(guide), 0.17 if is_normal else None),
        sized("delta against JSON + gzip, median", median(exact), median(sizes["JSON + gzip"][1:]), None),
        sized("delta of the guide's profile, median", median(held), median(guide), 0.21 if is_normal else None),
        timed("CPU, hash", cost("ours, hash"), cost("guide", parse=True), 0.25 if is_normal else None),
        timed(
            "CPU, hash; guide without its log line",
            cost("ours, hash"),
            cost("guide", parse=True, without="log line"),
            None,
        ),
        timed("CPU, dicts", cost("ours, dicts"), cost("guide"), 0.45 if is_normal else None),
        timed(
            "CPU, dicts; guide without its log line",
            cost("ours, dicts"),
            cost("guide", without="log line"),
            None,
        ),
        Row(
            f"{name}: CPU to follow a delta",
            "",
            f"{follows:.0f} ms",
            goal="≤ 15 ms" if is_normal else "",
            met=not is_normal or follows <= 15,
        ),
        Row(
            f"{name}: stale tickers; price off at most",
            f"{figures['guide'][0]:,}; {figures['guide'][1]:.2%}",
            f"{stale:,}; {off:.2%}",
            goal="0; 0",
            met=met,
        ),
        Row(
            f"{name}: the same with the guide's profile",
            "",
            f"{figures[guide_like.name][0]:,}; {profile_off:.3%}",
            goal="≤ 0.1 %",
            met=profile_off <= 0.001,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tickers", type=int, default=11_900)
    parser.add_argument("--ticks", type=int, default=12)
    parser.add_argument("--days", type=Path)
    arguments = parser.parse_args()
    gc.set_threshold(50_000, 20, 100)  # as the worker does; see snapshots/tasks.py
    rows: list[Row] = []
    for regime in (NORMAL, QUIET, OPEN):
        ticks = ticks_of(regime, tickers=arguments.tickers, ticks=arguments.ticks)
        rows += measure(regime.name, ticks, goal=GOALS[regime.name])
    if arguments.days:
        days = real_days(arguments.days)
        ticks = ((day, {symbol: orjson.dumps(record) for symbol, record in day.items()}) for day in days)
        rows += measure("real days", iter(ticks), goal=None)
    print("\n| what | the guide's | ours | ratio | goal |\n|---|---|---|---|---|")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()

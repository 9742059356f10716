"""What this project does, next to others' ways of doing it, in one run: bytes, CPU, what is stale, what is lost.

Snapshots: the integration guide's manager, and gzipped JSON. Streams: redis-py by itself. Tables: SQL by hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import redis

from snapshots.publisher import SnapshotReader
from snapshots.publisher.sync import SnapshotManager
from streams.engine.defaults import GUIDE_LIMITS
from streams.producer import StreamProducer
from timescale.engine.edition import Edition
from tradeul_ops.demo.groups import Consumer
from tradeul_ops.proof import history, meters
from tradeul_ops.proof.after import KEPT, After
from tradeul_ops.proof.before import Before
from tradeul_ops.proof.progress import Progress
from tradeul_ops.proof.rows import spell_bytes
from tradeul_ops.proof.run import wait
from tradeul_ops.proof.scale import Scale
from tradeul_ops.proof.servers import both_sides
from tradeul_ops.proof.source import works
from tradeul_ops.proof.writers import Guide, Gzip, Records, Watch, price_off

TICKS = 13  # of snapshots: a full, and a minute of deltas
INSERTS = 20  # ticks of 500 rows
STREAM, GROUP = "tickers:filtered", "pricing"
BURSTS, BURST = 20, 1_000  # a consumer sleeps through each: twice the limit of 500, and below its ceiling of 1,500
HISTORY = timedelta(days=4)


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        lines = [f"| {' | '.join((self.title, *self.columns))} |", "|---" * (len(self.columns) + 1) + "|"]
        return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in self.rows)])


def compare(scale: Scale, directory: Path, *, given: Mapping[str, str], progress: Progress) -> list[Table]:
    """Each on the same servers, one after the other. Raises ServerError where one can't be had."""
    with both_sides(scale, directory, given=given) as (before, after):
        with progress.of("snapshots", None):
            snapshots = _snapshots(before.redis, scale)
        with progress.of("streams", None):
            streams = _streams(before.redis)
        with progress.of("tables", None):
            tables = _tables(before, after, scale)
    return [snapshots, streams, tables]


# --- snapshots -------------------------------------------------------------------------------------------------------
class Ours:
    """SnapshotManager and SnapshotReader, over Redis: what the others are spared."""

    name = "this project"

    def __init__(self, client: redis.Redis) -> None:
        self._manager = SnapshotManager(client, name="peer")
        self._reader = SnapshotReader(client, "peer")

    def write(self, records: Records, reply: bytes, *, watch: Watch) -> int:
        result = self._manager.save_snapshot(records)
        watch.lap("written")
        self._reader.refresh()
        return int(result["compressed_size" if result["type"] == "full" else "size"])

    def read(self) -> Records:
        return self._reader.state()


def _snapshots(client: redis.Redis, scale: Scale) -> Table:
    writers: list[Any] = [Guide(), Gzip(), Ours(client)]
    names = {"guide": "the guide's manager: msgpack, zlib, whole tickers", "JSON + gzip": "JSON and gzip, all tickers"}
    sizes: dict[str, list[int]] = {writer.name: [] for writer in writers}
    spent: dict[str, list[float]] = {writer.name: [] for writer in writers}
    records: Records = {}
    for work in works(replace(scale, ticks=TICKS), start=datetime.now(tz=UTC)):
        records = work.records
        for writer in writers:
            watch = Watch()
            stored = writer.write(records, b"", watch=watch)
            sizes[writer.name].append(stored if isinstance(stored, int) else len(stored))
            spent[writer.name].append(sum(watch.phases.values()))
    rows = []
    for writer in writers:
        has = writer.read()
        full, *deltas = sizes[writer.name]
        stale = sum(has.get(symbol) != record for symbol, record in records.items())
        off = max(price_off(has.get(symbol), record) for symbol, record in records.items())
        figures = spell_bytes(full), spell_bytes(median(deltas)), f"{median(spent[writer.name][1:]):.0f} ms"
        rows.append((names.get(writer.name, writer.name), *figures, f"{stale:,}", f"{off:.2%}"))
    plain = spell_bytes(len(orjson.dumps(records)))
    title = f"snapshots of {len(records):,} tickers ({plain} of JSON)"
    return Table(title, ("first", "then, median", "CPU a tick", "stale tickers", "price off at most"), tuple(rows))


# --- streams ---------------------------------------------------------------------------------------------------------
def _streams(client: redis.Redis) -> Table:
    fields: dict[Any, Any] = {"symbol": "NVDA", "session": "MARKET_OPEN", "timestamp": 1773153000000, "data": "x" * 380}
    limit = GUIDE_LIMITS[STREAM].maxlen or 0

    def bare(maxlen: int | None) -> Callable[[], None]:
        def add() -> None:
            pipe = client.pipeline(transaction=False)
            for _ in range(100):
                pipe.xadd(STREAM, fields, maxlen=maxlen, approximate=True)
            pipe.execute()

        return add

    with StreamProducer(client, name="peer") as producer:

        def ours() -> None:
            producer.xadd_many(STREAM, [fields] * 100)

        ways: dict[str, Callable[[], None]] = {
            "redis-py: `xadd`": bare(None),
            f"redis-py: `xadd(maxlen={limit})`": bare(limit),
            "this project: `StreamProducer.xadd_many`": ours,
        }
        rows = tuple((name, *_bursts(client, add)) for name, add in ways.items())
    title = f"{BURSTS * BURST:,} entries to `{STREAM}`, its group asleep through bursts of {BURST:,}"
    return Table(title, ("held at the end", "bytes", "CPU, client", "CPU, Redis", "lost that the group needed"), rows)


def _bursts(client: redis.Redis, add: Callable[[], None]) -> Iterator[str]:
    client.delete(STREAM)
    consumer = Consumer(client, STREAM, GROUP, batch=1_000)
    consumer.work(time.monotonic())  # makes the group
    server, delivered, spent = meters.read_redis(client), 0, 0.0
    for _ in range(BURSTS):
        began = time.process_time()
        for _ in range(BURST // 100):
            add()
        spent += time.process_time() - began
        for _ in range(2):  # the first read of all looks for its own old entries only
            while taken := consumer.work(time.monotonic()):
                delivered += taken
    used = meters.read_redis(client).since(server)
    yield f"{client.xlen(STREAM):,}"
    yield spell_bytes(int(client.memory_usage(STREAM, samples=0) or 0))
    yield f"{1000 * spent:.0f} ms"
    yield f"{1000 * used.main_seconds:.0f} ms"
    yield f"{BURSTS * BURST - delivered:,}"


# --- tables ----------------------------------------------------------------------------------------------------------
def _tables(before: Before, after: After, scale: Scale) -> Table:
    """The same rows into both; then what is older than three days goes, each in its way."""
    rows = [work.rows for work in works(replace(scale, ticks=INSERTS), start=datetime.now(tz=UTC))]
    count = sum(map(len, rows))
    older = replace(scale, history_time=HISTORY, history_symbols=min(scale.history_symbols, 70))
    end = datetime.now(tz=UTC) - timedelta(minutes=1)
    before.index()

    def by_hand() -> None:
        before.database.execute("DELETE FROM scan_results WHERE time < now() - %s::interval", [KEPT])
        before.database.execute("VACUUM scan_results")  # sooner or later autovacuum does

    def ours() -> None:
        if after.edition is Edition.COMMUNITY:
            after.stack.manage("timescale", "apply", allowed=(0, 1))
            wait(lambda: after.left_to_bound() == 0 or after.jobs_ended(), within=60)
            after.run_jobs()
        else:
            after.enforce()
            wait(lambda: after.left_to_bound() == 0, within=180)

    lines = []
    sides: Sequence[tuple[str, Before | After, Callable[[], None]]] = (
        ("SQL by hand: `executemany`, `DELETE`, `VACUUM`", before, by_hand),
        (f"this project: `copy_rows`, {BOUNDS[after.edition]}", after, ours),
    )
    for name, side, bound in sides:
        began, server = time.process_time(), side.postgres_cpu()
        for some in rows:
            side.write_rows(some)
        client_us = 1e6 * (time.process_time() - began) / count
        server_us = _us(side.postgres_cpu(), server, count)
        history.fill(side.database, scale=older, end=end)
        held, server = side.table_bytes(), side.postgres_cpu()
        bound()
        spent = side.postgres_cpu()
        bounding = "–" if spent is None or server is None else f"{spent - server:.2f} s"
        sizes = f"{spell_bytes(held)} → {spell_bytes(side.table_bytes())}"
        lines.append((name, f"{client_us:.0f} µs", server_us, bounding, sizes, f"{side.count_old(KEPT):,}"))
    title = f"{count:,} scans in cycles of 500; {older.history_rows:,} of four days, of which three stay"
    columns = ("CPU a row, client", "CPU a row, server", "CPU to bound, server", "table", "left beyond three days")
    return Table(title, columns, tuple(lines))


BOUNDS = {
    Edition.COMMUNITY: "jobs that drop chunks and compress",
    Edition.APACHE: "beat that drops chunks",
    Edition.NONE: "beat that deletes in batches",
}


def _us(now: float | None, before: float | None, count: int) -> str:
    return "–" if now is None or before is None else f"{1e6 * (now - before) / count:.0f} µs"

"""What this project does, next to others' ways of doing it, in one run: bytes, CPU, what is stale, what is lost.

Snapshots: the integration guide's manager, and gzipped JSON. Streams: redis-py by itself. Tables: SQL by hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
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
from tradeul_ops.proof.comparison import Comparison, Table, Way
from tradeul_ops.proof.progress import Progress
from tradeul_ops.proof.rows import Unit, spell_bytes
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


def compare(scale: Scale, directory: Path, *, given: Mapping[str, str], progress: Progress) -> Comparison:
    """Each on the same servers, one after the other. Raises ServerError where one can't be had."""
    began = time.monotonic()
    with both_sides(scale, directory, given=given) as (before, after):
        with progress.of("snapshots", None):
            snapshots = _snapshots(before.redis, scale)
        with progress.of("streams", None):
            streams = _streams(before.redis)
        with progress.of("tables", None):
            tables = _tables(before, after, scale)
        versions = after.versions()
    return Comparison(scale.name, (snapshots, streams, tables), versions, time.monotonic() - began)


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
    ways = []
    for writer in writers:
        has = writer.read()
        full, *deltas = sizes[writer.name]
        stale = sum(has.get(symbol) != record for symbol, record in records.items())
        off = max(price_off(has.get(symbol), record) for symbol, record in records.items())
        figures = (full, median(deltas), median(spent[writer.name][1:]), stale, 100 * off)
        ways.append(Way(names.get(writer.name, writer.name), figures))
    plain = spell_bytes(len(orjson.dumps(records)))
    title = f"snapshots of {len(records):,} tickers ({plain} of JSON)"
    columns = {
        "first": Unit.BYTES,
        "then, median": Unit.BYTES,
        "CPU a tick": Unit.MILLISECONDS,
        "stale tickers": Unit.COUNT,
        "price off at most": Unit.PERCENT,
    }
    return Table(title, columns, tuple(ways))


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
        found = tuple(Way(name, tuple(_bursts(client, add))) for name, add in ways.items())
    title = f"{BURSTS * BURST:,} entries to `{STREAM}`, its group asleep through bursts of {BURST:,}"
    columns = {
        "held at the end": Unit.COUNT,
        "bytes": Unit.BYTES,
        "CPU, client": Unit.MILLISECONDS,
        "CPU, Redis": Unit.MILLISECONDS,
        "lost that the group needed": Unit.COUNT,
    }
    return Table(title, columns, found)


def _bursts(client: redis.Redis, add: Callable[[], None]) -> Iterator[float]:
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
    yield client.xlen(STREAM)
    yield client.memory_usage(STREAM, samples=0) or 0
    yield 1000 * spent
    yield 1000 * used.main_seconds
    yield BURSTS * BURST - delivered


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
        server_us = _spent(side.postgres_cpu(), server, 1e6 / count)
        history.fill(side.database, scale=older, end=end)
        held, server = side.table_bytes(), side.postgres_cpu()
        bound()
        bounding = _spent(side.postgres_cpu(), server, 1.0)
        figures = (client_us, server_us, bounding, held, side.table_bytes(), side.count_old(KEPT))
        lines.append(Way(name, figures))
    title = f"{count:,} scans in cycles of 500; {older.history_rows:,} of four days, of which three stay"
    columns = {
        "CPU a row, client": Unit.MICROSECONDS,
        "CPU a row, server": Unit.MICROSECONDS,
        "CPU to bound, server": Unit.SECONDS,
        "table, as it grew": Unit.BYTES,
        "bounded": Unit.BYTES,
        "left beyond three days": Unit.COUNT,
    }
    return Table(title, columns, tuple(lines))


BOUNDS = {
    Edition.COMMUNITY: "jobs that drop chunks and compress",
    Edition.APACHE: "beat that drops chunks",
    Edition.NONE: "beat that deletes in batches",
}


def _spent(now: float | None, before: float | None, times: float) -> float | None:
    return None if now is None or before is None else (now - before) * times

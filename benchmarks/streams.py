"""Measures the producer library and trimming on a Valkey of its own, as ratios against redis-py in the same run.

    python benchmarks/streams.py

Variants take turns, a figure is the median of its rounds, a ratio that of paired rounds: trust ratios, absolute numbers
are this machine's. About a minute, and 1.3 GB of memory. A goal that was missed is said in its row.

"Stall" is the longest answer that a process that does nothing but PING got in that time, and includes what the
machine's scheduler did to it: beside it stands the same with no trim running.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import redis
import redis.asyncio
from _measure import Row, in_turn, timed, versus
from _trims import FILL, trimming

from streams import store
from streams.engine.limits import Limit
from streams.engine.wire import LIMITS_KEY, to_wire
from streams.producer import RedisStreamManager, StreamProducer
from tradeul_ops.demo.servers import ValkeyServer, free_port

STREAM = "benchmark"
LIMIT = Limit(
    stream=STREAM,
    maxlen=1000,
    trim_threshold=1000,
    trim_interval=timedelta(seconds=30),
    protect_groups=False,
)
ENTRY = {"symbol": "NVDA", "price": "181.25", "volume": "1200", "bid": "181.2", "ask": "181.3", "ts": "1770000000000"}
ROUNDS = 60


# --- adding ----------------------------------------------------------------------------------------------------------


def adding(client: redis.Redis) -> Iterator[Row]:
    with StreamProducer(client, defaults={STREAM: LIMIT}, trim=False) as producer:

        def piped(add: Callable[[Any], Any]) -> float:
            def batch() -> None:
                pipe = client.pipeline(transaction=False)
                for _ in range(100):
                    add(pipe)
                pipe.execute()

            return timed(batch, 4) / 100

        def bare() -> float:
            return timed(lambda: client.xadd(STREAM, ENTRY, maxlen=1000, approximate=True), 300)  # type: ignore[arg-type]

        bare_, ours, again = in_turn(
            bare, lambda: timed(lambda: producer.xadd(STREAM, ENTRY), 300), bare, rounds=ROUNDS
        )
        noise = median(b / a for a, b in zip(bare_, again, strict=True))
        yield versus("xadd, one at a time", bare_, ours, goal=1.01)
        yield Row("the same call against itself: the noise", f"{median(bare_) * 1e6:.1f} µs", "", noise)
        bare_, ours, many = in_turn(
            lambda: piped(lambda pipe: pipe.xadd(STREAM, ENTRY, maxlen=1000, approximate=True)),
            lambda: piped(lambda pipe: producer.xadd(STREAM, ENTRY, pipeline=pipe)),
            lambda: timed(lambda: producer.xadd_many(STREAM, [ENTRY] * 400), 1) / 400,
            rounds=ROUNDS,
        )
        yield versus("xadd, pipelines of 100", bare_, ours, goal=1.0)
        yield versus("xadd_many, against the same pipelines", bare_, many, goal=1.0)


async def adding_by_asyncio(url: str) -> list[Row]:
    async with redis.asyncio.Redis.from_url(url, protocol=2) as client:
        manager = RedisStreamManager(client, defaults={STREAM: LIMIT}, trim=False)
        await manager.start()

        async def piped(ours: bool) -> None:
            pipe = client.pipeline(transaction=False)
            for _ in range(100):
                if ours:
                    manager.xadd(STREAM, ENTRY, pipeline=pipe)
                else:
                    pipe.xadd(STREAM, ENTRY, maxlen=1000, approximate=True)  # type: ignore[arg-type]
            await pipe.execute()

        variants: list[tuple[Callable[[], Any], int]] = [
            (lambda: client.xadd(STREAM, ENTRY, maxlen=1000, approximate=True), 200),  # type: ignore[arg-type]
            (lambda: manager.xadd(STREAM, ENTRY), 200),
            (lambda: piped(False), 3),
            (lambda: piped(True), 3),
        ]
        figures: list[list[float]] = [[] for _ in variants]
        for _ in range(ROUNDS):
            for index in random.sample(range(4), 4):
                add, count = variants[index]
                began = time.perf_counter()
                for _ in range(count):
                    await add()
                figures[index].append((time.perf_counter() - began) / count / (100 if index > 1 else 1))
        await manager.stop()
    return [
        versus("xadd by asyncio, one at a time", figures[0], figures[1], goal=1.01),
        versus("xadd by asyncio, pipelines of 100", figures[2], figures[3], goal=1.0),
    ]


# --- an edit ---------------------------------------------------------------------------------------------------------


def editing(client: redis.Redis, *, producers: int = 13, edits: int = 250) -> Iterator[Row]:
    """From before the limits are published until the slowest of the producers has them in force."""
    obeyed: threading.Semaphore = threading.Semaphore(0)
    wanted = 0

    def counted(producer: StreamProducer) -> None:
        take, had = producer._book.take, 0

        def take_and_say(published: Any) -> None:
            nonlocal had
            take(published)
            cap = producer._book.limits[STREAM].maxlen
            if cap == wanted != had:
                had = cap
                obeyed.release()

        producer._book.take = take_and_say  # type: ignore[method-assign]

    def edit(maxlen: int, publish: Callable[[str], Any]) -> float:
        nonlocal wanted
        wanted = maxlen
        began = time.perf_counter()
        publish(to_wire(replace(LIMIT, maxlen=maxlen, trim_threshold=maxlen)))
        for _ in range(producers):
            if not obeyed.acquire(timeout=15):
                raise SystemExit("an edit did not reach every producer within 15 s")
        return (time.perf_counter() - began) * 1000

    def publish(text: str) -> None:
        store.publish_limits(client, {STREAM: text}, compared=store.read_published(client))

    def publish_after_kill(text: str) -> None:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        publish(text)

    publish(to_wire(LIMIT))
    running = [StreamProducer(client, name=f"p{n}", trim=False).start() for n in range(producers)]
    for producer in running:
        counted(producer)
    times = []
    for number in range(edits):
        time.sleep(random.uniform(0.02, 0.05))
        times.append(edit(2000 + number, publish))
    times.sort()
    p50, p99, worst = times[len(times) // 2], times[len(times) * 99 // 100], times[-1]
    figures = f"p50 {p50:.1f}, p99 {p99:.1f}, max {worst:.1f} ms"
    yield Row(
        f"edit → obeyed by each of {producers} producers, {edits} edits", "", figures, None, "p99 < 20 ms", p99 < 20
    )
    for what, act, trials in (
        ("all subscriptions killed just before it", publish_after_kill, 10),
        ("HSET by hand, nobody told", lambda text: client.hset(LIMITS_KEY, STREAM, text), 4),
    ):
        worst = max(edit(5000 + 100 * trials + trial, act) for trial in range(trials))
        yield Row(f"the same, {what}, {trials} edits", "", f"max {worst:,.0f} ms", None, "< 3 s", worst < 3000)
    for producer in running:
        producer.stop()


# --- reading ---------------------------------------------------------------------------------------------------------


def reading(client: redis.Redis, *, streams: int = 500) -> Iterator[Row]:
    names = [f"read:{n}" for n in range(streams)]
    for name in names:
        client.eval(FILL, 1, name, 200, 200)
        for group in ("scanner", "gateway"):
            client.xgroup_create(name, group, "0")

    def raw() -> None:
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.xlen(name)
            pipe.xinfo_groups(name)
            pipe.memory_usage(name, samples=0)
        pipe.execute()

    base, ours = in_turn(lambda: timed(raw, 1), lambda: timed(lambda: store.read_states(client, names), 1), rounds=30)
    yield versus(
        f"state of {streams} streams; redis-py: XLEN, XINFO GROUPS, MEMORY USAGE in one pipeline",
        base,
        ours,
        goal=1.2,
        unit="ms",
    )
    client.delete(*names)


def main() -> None:
    logging.disable(logging.WARNING)  # subscriptions are killed on purpose
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        server = ValkeyServer(Path(directory), free_port(), options={"save": ""})
        server.start()
        try:
            client = redis.Redis.from_url(server.url, protocol=2)
            info: Any = client.info("server")
            version = info.get("valkey_version", info["redis_version"])
            print(f"Valkey {version}, redis-py {redis.__version__}, Python {sys.version.split()[0]}\n")
            print("| what | redis-py | this library | ratio | goal |\n|---|---|---|---|---|")
            show(adding(client))
            show(asyncio.run(adding_by_asyncio(server.url)))
            show(editing(client))
            show(reading(client))
            client.flushall()
            show(trimming(client))
            client.close()
        finally:
            server.stop()
    print(f"\n{time.monotonic() - began:.0f} s")


def show(rows: Iterable[Row]) -> None:
    for row in rows:
        print(row, flush=True)


if __name__ == "__main__":
    main()

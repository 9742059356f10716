"""Measures the producer library, sweeps, pages and trimming on servers of its own, as ratios against redis-py.

    python benchmarks/streams.py [adding] [editing] [reading] [console] [trimming]

Variants take turns, a figure is the median of its rounds, a ratio that of paired rounds: trust ratios, absolute numbers
are this machine's. About three minutes, and 1.3 GB of memory. A goal that was missed is said in its row.

"Stall" is the longest answer that a process that does nothing but PING got in that time, and includes what the
machine's scheduler did to it: beside it stands the same with no trim running.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import redis
import redis.asyncio
from _edits import editing
from _measure import Row, in_turn, timed, versus
from _reads import console, enforcing, reading
from _trims import trimming

from streams.engine.rules import Rule
from streams.producer import RedisStreamManager, StreamProducer
from tradeul_ops.demo.servers import ValkeyServer, free_port

STREAM = "benchmark"
RULE = Rule(
    pattern=STREAM,
    maxlen=1000,
    trim_threshold=1000,
    trim_interval=timedelta(seconds=30),
    protect_groups=False,
)
ENTRY = {"symbol": "NVDA", "price": "181.25", "volume": "1200", "bid": "181.2", "ask": "181.3", "ts": "1770000000000"}
ROUNDS = 60
PARTS = ("adding", "editing", "reading", "console", "trimming")


# --- adding ----------------------------------------------------------------------------------------------------------


def adding(client: redis.Redis) -> Iterator[Row]:
    with StreamProducer(client, defaults={STREAM: RULE}, trim=False) as producer:

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
        yield _without_the_wire(client, producer)


def _without_the_wire(client: redis.Redis, producer: StreamProducer) -> Row:
    """Python's own time for the words of one entry, which no other process can spoil."""
    bare: Any = redis.Redis(connection_pool=client.connection_pool)
    bare.execute_command = lambda *words, **options: None
    sends, producer._execute = producer._execute, bare.execute_command
    theirs, ours = in_turn(
        lambda: timed(lambda: bare.xadd(STREAM, ENTRY, maxlen=1000, approximate=True), 3000),
        lambda: timed(lambda: producer.xadd(STREAM, ENTRY), 3000),
        rounds=20,
    )
    producer._execute = sends
    added = (median(ours) - median(theirs)) * 1e9
    figures = [f"{median(times) * 1e9:,.0f} ns" for times in (theirs, ours)]
    ratio = median(ours) / median(theirs)
    return Row("the words of one xadd, without sending them", *figures, ratio, "≤ 150 ns more", added <= 150)


async def adding_by_asyncio(url: str) -> list[Row]:
    async with redis.asyncio.Redis.from_url(url, protocol=2) as client:
        manager = RedisStreamManager(client, defaults={STREAM: RULE}, trim=False)
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


def main() -> None:
    logging.disable(logging.WARNING)  # subscriptions are killed on purpose
    began, wanted = time.monotonic(), sys.argv[1:] or PARTS
    with tempfile.TemporaryDirectory() as directory:
        server = ValkeyServer(Path(directory), free_port(), options={"save": ""})
        server.start()
        try:
            client = redis.Redis.from_url(server.url, protocol=2)
            info: Any = client.info("server")
            version = info.get("valkey_version", info["redis_version"])
            print(f"Valkey {version}, redis-py {redis.__version__}, Python {sys.version.split()[0]}\n")
            print(f"Load of {os.cpu_count()} cores at the start: {os.getloadavg()[0]:.1f}\n")
            print("| what | redis-py | this library | ratio | goal |\n|---|---|---|---|---|")
            if "adding" in wanted:
                show(adding(client))
                show(asyncio.run(adding_by_asyncio(server.url)))
            if "editing" in wanted:
                show(editing(client, server, RULE))
            if "reading" in wanted:
                show(reading(client))
            if "console" in wanted:
                with console(Path(directory), server):
                    show(enforcing(client))
            client.flushall()
            if "trimming" in wanted:
                show(trimming(client, server))
            client.close()
        finally:
            server.stop()
    print(f"\n{time.monotonic() - began:.0f} s")


def show(rows: Iterable[Row]) -> None:
    for row in rows:
        print(row, flush=True)


if __name__ == "__main__":
    main()

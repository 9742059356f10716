"""Measures one small web process that serves a snapshot to many readers at once, over loopback.

    python benchmarks/snapshot_readers.py [--readers 200] [--ticks 4]

A Valkey and a gunicorn of its own (1 worker, 8 threads), the demo's market of 11,900 tickers. All readers ask at the
same moment, each on a connection of its own: for the full, then at every tick for what came since. They read the bytes
and do not decode them; they share the machine with the server, so the seconds are an upper bound. CPU is the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import redis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from snapshots.publisher.sync import SnapshotManager
from tradeul_ops.demo.market import CYCLE, NORMAL, Market
from tradeul_ops.demo.servers import HOST, ValkeyServer, free_port
from tradeul_ops.demo.universe import securities

ROOT = Path(__file__).resolve().parent.parent
START = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)
TICKERS = 11_900
TOKEN = "a-token-of-the-benchmark"
READS = ("hgetall", "get", "xrange")


def web(port: int, redis_url: str) -> subprocess.Popen[bytes]:
    """No PostgreSQL: a token and a named list need none."""
    settings = {
        "SECRET_KEY": "benchmark" * 8,
        "HTTPS": "false",
        "METRICS_TOKEN": TOKEN,
        "REDIS_URL": redis_url,
        "CELERY_BROKER_URL": redis_url,
        "DATABASE_URL": f"postgres://nobody@{HOST}:1/none",
        "LOG_LEVEL": "ERROR",
    }
    command = [
        "-m",
        "gunicorn",
        "tradeul_ops.wsgi",
        "--bind",
        f"{HOST}:{port}",
        "--threads",
        "8",
        "--log-level",
        "error",
    ]
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env={**os.environ, **settings})
    until = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://{HOST}:{port}/health/live", timeout=1).close()
            return process
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit("gunicorn did not start.") from None
            time.sleep(0.1)


async def ask(port: int, path: str, accepts: str) -> tuple[float, int]:
    """Seconds until the whole answer is here, and its bytes."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(HOST, port)
    words = [f"GET {path} HTTP/1.1", f"Host: {HOST}", f"Authorization: Bearer {TOKEN}", f"Accept-Encoding: {accepts}"]
    writer.write("\r\n".join([*words, "Connection: close", "", ""]).encode())
    answer = await reader.read(-1)
    writer.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(answer[:300].decode(errors="replace"))
    return time.perf_counter() - began, len(answer)


async def all_at_once(readers: int, port: int, path: str, accepts: str) -> list[tuple[float, int]]:
    return await asyncio.gather(*(ask(port, path, accepts) for _ in range(readers)))


class Server:
    """What a web process has used up so far."""

    def __init__(self, process: subprocess.Popen[bytes], client: redis.Redis) -> None:
        parent = psutil.Process(process.pid)
        self._processes, self._client = [parent, *parent.children(recursive=True)], client

    def cpu(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self._processes)

    def rss(self) -> int:
        return max(process.memory_info().rss for process in self._processes)

    def reads(self) -> dict[str, int]:
        stats: Any = self._client.info("commandstats")
        return {name: stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in READS}


def measure(server: Server, readers: int, port: int, path: str, accepts: str) -> dict[str, Any]:
    cpu, reads = server.cpu(), server.reads()
    began = time.perf_counter()
    answers = asyncio.run(all_at_once(readers, port, path, accepts))
    wall = time.perf_counter() - began
    after = server.reads()
    return {
        "kb": answers[0][1] / 1e3,
        "wall": wall,
        "median": median(seconds for seconds, _ in answers),
        "cpu": server.cpu() - cpu,
        "reads": {name: after[name] - reads[name] for name in READS},
    }


def line(what: str, found: dict[str, Any], readers: int) -> None:
    reads = ", ".join(f"{number} {name.upper()}" for name, number in found["reads"].items())
    cpu = found["cpu"] / readers * 1e3
    print(
        f"| {what} | {found['kb']:,.0f} | {found['wall']:.2f} | {found['median']:.2f} | {cpu:.1f} "
        f"| {found['kb'] * readers / 1e3 / found['wall']:,.0f} | {reads} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--ticks", type=int, default=4)
    arguments = parser.parse_args()
    market = Market(1, securities(TICKERS), START)
    market.number = CYCLE.index(NORMAL)
    with tempfile.TemporaryDirectory() as directory:
        valkey = ValkeyServer(Path(directory), free_port(), options={"save": ""})
        valkey.start()
        client = redis.Redis.from_url(valkey.url)
        manager = SnapshotManager(client, name="readers")
        records = {symbol: json.loads(record) for symbol, record in market.records.items()}
        manager.save_snapshot(records)
        port = free_port()
        process = web(port, valkey.url)
        try:
            server = Server(process, client)
            before = server.rss()
            print(f"{arguments.readers} readers at once, {TICKERS:,} tickers; before: {before / 1e6:.0f} MB resident\n")
            print("| | KB each | all have it, s | median, s | CPU each, ms | MB/s | Redis |")
            print("|---|---|---|---|---|---|---|")
            for accepts in ("zstd", "gzip"):
                for again in ("first", "again"):
                    path = "/snapshot/full/latest?list=readers"
                    line(
                        f"full, {accepts}, {again}",
                        measure(server, arguments.readers, port, path, accepts),
                        arguments.readers,
                    )
            for number in range(1, arguments.ticks + 1):
                tick = market.tick()
                records |= {symbol: json.loads(record) for symbol, record in tick.changed.items()}
                manager.save_snapshot(records)
                path = f"/snapshot/readers/since/{number}"
                accepts = "zstd" if number % 2 else "gzip"
                line(
                    f"one delta, {accepts}", measure(server, arguments.readers, port, path, accepts), arguments.readers
                )
            path = "/snapshot/readers/since/1"
            line(
                f"{arguments.ticks} deltas, zstd",
                measure(server, arguments.readers, port, path, "zstd"),
                arguments.readers,
            )
            path = f"/snapshot/readers/since/{arguments.ticks + 1}"
            line("nothing new", measure(server, arguments.readers, port, path, "zstd"), arguments.readers)
            print(f"\nafter: {server.rss() / 1e6:.0f} MB resident")
        finally:
            process.terminate()
            process.wait()
            valkey.stop()


if __name__ == "__main__":
    main()

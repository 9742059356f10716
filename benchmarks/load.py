"""How the console stands a crowd: operators who poll, producers, many streams and chunks, all on this one machine.

Servers of its own, gunicorn, worker and beat as they run in production; loopback only. Prints for each page how many
answers and errors there were, p50 and p99, and each process's memory at the beginning and at the end. Ends with 1 if
an answer was an error.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tradeul_ops.demo.servers import HOST, PostgresServer
from tradeul_ops.demo.stack import Stack
from tradeul_ops.demo.timescale import installed_postgres
from tradeul_ops.proof import meters

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("/metrics", "/api/v1/internal/memory-metrics")
SERVERS = {"DATABASE_URL": "PostgreSQL", "REDIS_URL": "Redis, data", "CELERY_BROKER_URL": "Redis, tasks"}
POLLED = ("/", "/streams/", "/findings/")

PRODUCERS = """
import random, sys, time
import redis
from streams.producer import StreamProducer
url, count, streams, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
producers = [StreamProducer(redis.Redis.from_url(url), name=f"feed {n}").start() for n in range(count)]
until, added = time.monotonic() + seconds, 0
while time.monotonic() < until:
    for producer in producers:
        producer.xadd(f"load:{random.randrange(streams)}", {"symbol": "AAPL", "price": "187.2"})
        added += 1
    time.sleep(0.1)
for producer in producers:
    producer.stop()
print(added)
"""


@dataclass
class Answers:
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def add(self, path: str, seconds: float, error: str = "") -> None:
        with self.guard:
            self.seconds[path].append(seconds)
            if error:
                self.errors.append(f"{path}: {error}")


@dataclass
class Size:
    operators: int = 200
    producers: int = 50
    streams: int = 1000
    chunks: int = 300
    seconds: float = 60.0
    every: float = 5.0


@contextmanager
def platform(directory: Path, size: Size) -> Iterator[Stack]:
    """Web as the image starts it, worker and beat; on an installed TimescaleDB, where there is one for the chunks."""
    from tests.timescale.servers import SETTINGS

    installed = installed_postgres() if size.chunks else []
    postgres = partial(PostgresServer, bin_path=installed[0], settings=SETTINGS) if installed else PostgresServer
    os.environ["WEB_CONCURRENCY"] = "2"  # gunicorn's own: the Dockerfile's --workers
    stack = Stack(directory, 0, fresh=True, parts=(), given={}, postgres=postgres)
    with stack.running():
        stack.manage("shell", "-c", FILL.format(streams=size.streams, chunks=size.chunks))
        if installed:
            stack.manage("timescale", "apply", allowed=(0, 1))
            stack.manage("shell", "-c", SETTLE)
        stack.start("web", "worker", "beat")
        yield stack


FILL = """
from datetime import timedelta
from django.db import connection
from streams import services
from streams.models import StreamLimit
from tradeul_ops.connections import data_redis
StreamLimit.objects.create(
    pattern="load:*", maxlen=100, trim_threshold=150, trim_interval=timedelta(seconds=30), hard_maxlen=300
)
pipe = data_redis().pipeline(transaction=False)
for number in range({streams}):
    for entry in range(5):
        pipe.xadd(f"load:{{number}}", {{"symbol": "AAPL", "n": entry}})
pipe.execute()
services.publish_limits()
from django.utils import timezone
services.discover_streams(now=timezone.now())
from timescale.models import HypertablePolicy
HypertablePolicy.objects.filter(table_name="scan_results").update(drop_after=timedelta(hours={chunks} + 48))
with connection.cursor() as cursor:
    cursor.execute(
        "INSERT INTO scan_results (time, symbol, session, price) "
        "SELECT now() - i * interval '1 hour', 'AAPL', 'MARKET_OPEN', 1 FROM generate_series(0, %s) AS i", [{chunks}]
    )
"""
# Aggregates have read the rows, so that the worker does not spend the whole run on what came late.
SETTLE = """
from django.db import connection
from timescale.models import AggregatePolicy
with connection.cursor() as cursor:
    for policy in AggregatePolicy.objects.all():
        cursor.execute("CALL refresh_continuous_aggregate(%s, NULL, date_trunc('hour', now()))", [policy.view_name])
"""
LOGIN = """
from django.contrib.auth import get_user_model
from django.test import Client
user, _ = get_user_model().objects.get_or_create(username="operator", is_superuser=True, is_staff=True)
client = Client()
client.force_login(user)
print("session", client.cookies["sessionid"].value)
"""


def operate(port: int, session: str, size: Size, answers: Answers, until: float, number: int) -> None:
    """One operator's open page: polls as htmx does. A new connection each time: gunicorn keeps none as long as that."""
    path = POLLED[number % len(POLLED)]
    headers = {"Cookie": f"sessionid={session}", "HX-Request": "true", "HX-Trigger": "live", "Host": "localhost"}
    time.sleep(random.uniform(0, size.every))
    while time.monotonic() < until:
        began = time.monotonic()
        connection = http.client.HTTPConnection(HOST, port, timeout=60)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            error = "" if answer.status == 200 and b"<" in body else f"status {answer.status}"
        except (OSError, http.client.HTTPException) as failed:
            error = repr(failed)
        finally:
            connection.close()
        took = time.monotonic() - began
        answers.add(path, took, error)
        time.sleep(max(0.0, size.every - took))


def scrape(port: int, token: str, answers: Answers, until: float) -> None:
    """Prometheus, and whoever reads the JSON: each every 5 s."""
    while time.monotonic() < until:
        for path in PAGES:
            began = time.monotonic()
            connection = http.client.HTTPConnection(HOST, port, timeout=60)
            try:
                connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Host": "localhost"})
                answer = connection.getresponse()
                answer.read()
                error = "" if answer.status == 200 else f"status {answer.status}"
            except (OSError, http.client.HTTPException) as failed:
                error = repr(failed)
            finally:
                connection.close()
            answers.add(path, time.monotonic() - began, error)
        time.sleep(5)


def run(size: Size, directory: Path) -> tuple[Answers, dict[str, tuple[int, int, float]], int]:
    """The answers; of each process its bytes at the beginning and at the end, and its CPU seconds; entries."""
    with platform(directory, size) as stack:
        processes, port = {child.name: child.process.pid for child in stack.children}, stack.web_port
        token = stack.environment["METRICS_TOKEN"]
        processes |= {
            SERVERS[name]: server.process.pid for name, server in stack.servers.items() if server.process is not None
        }
        said = stack.manage("shell", "-c", LOGIN)
        session = next(line.split()[1] for line in said.splitlines() if line.startswith("session"))
        answers, until = Answers(), time.monotonic() + size.seconds
        producers = subprocess.Popen(
            [
                sys.executable,
                "-c",
                PRODUCERS,
                stack.environment["REDIS_URL"],
                str(size.producers),
                str(size.streams),
                str(size.seconds),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        crowd = [
            threading.Thread(target=operate, args=(port, session, size, answers, until, number), daemon=True)
            for number in range(size.operators)
        ]
        crowd.append(threading.Thread(target=scrape, args=(port, token, answers, until), daemon=True))
        for one in crowd:
            one.start()
        time.sleep(min(10.0, size.seconds / 3))
        before = {name: meters.memory_bytes(pid) for name, pid in processes.items()}
        for one in crowd:
            one.join(size.seconds + 90)
        added = int(producers.communicate(timeout=60)[0])
        figures = {
            name: (before[name], meters.memory_bytes(pid), meters.cpu_seconds(pid)) for name, pid in processes.items()
        }
        return answers, figures, added


def table(size: Size, answers: Answers, figures: dict[str, tuple[int, int, float]], added: int) -> str:
    lines = [
        f"{size.operators} operators polling every {size.every:g} s, {size.producers} producers ({added:,} entries), "
        f"{size.streams:,} streams, {size.chunks} hours of rows; {size.seconds:g} s, load {os.getloadavg()[0]:.1f}.",
        "",
        "| what | answers | errors | p50 | p99 |",
        "|---|---|---|---|---|",
    ]
    for path, seconds in sorted(answers.seconds.items()):
        ordered = sorted(seconds)
        p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99))
        failed = sum(error.startswith(f"{path}:") for error in answers.errors)
        lines.append(f"| `{path}` | {len(seconds):,} | {failed} | {p50 * 1000:,.0f} ms | {p99 * 1000:,.0f} ms |")
    lines += ["", "| process | memory before | after | CPU |", "|---|---|---|---|"]
    for name, (before, after, cpu) in figures.items():
        lines.append(f"| {name} | {before / 1e6:.0f} MB | {after / 1e6:.0f} MB | {cpu:.1f} s |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("operators", int), ("producers", int), ("streams", int), ("chunks", int), ("seconds", float)):
        parser.add_argument(f"--{name}", type=kind, default=getattr(Size, name))
    parser.add_argument("--every", type=float, default=Size.every, help="seconds between an operator's polls")
    parser.add_argument("--json", action="store_true")
    given: dict[str, Any] = vars(parser.parse_args())
    as_json = given.pop("json")
    size = Size(**given)
    with tempfile.TemporaryDirectory(prefix="load-") as directory:
        answers, figures, added = run(size, Path(directory))
    if as_json:
        print(json.dumps({"answers": answers.seconds, "errors": answers.errors, "figures": figures, "added": added}))
    else:
        print(table(size, answers, figures, added))
        for error in answers.errors[:5]:
            print(error)
    return 1 if answers.errors else 0


if __name__ == "__main__":
    sys.exit(main())

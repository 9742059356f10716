"""Measures what the console's own work costs as streams and tickers grow tenfold and a hundredfold.

    python benchmarks/scaling.py [--rounds 3] [--only streams] [--sizes 2]

Servers of its own; some minutes. CPU, not time, since a machine is seldom quiet: of this process, which does what
worker and web do, and of the servers. The last column is the line through the last two sizes, and says so.
Chunks cost the console one query of the catalogue, whatever their number; see docs/scaling.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tradeul_ops.demo.servers import PostgresServer, ValkeyServer, free_port

STREAMS, TICKERS = (10, 100, 1000), (119, 1190, 11_900)
START = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)
Row = tuple[str, list[float], list[float]]


class Meter:
    """CPU of this process and of the servers' process trees, in ms."""

    def __init__(self, *servers: PostgresServer | ValkeyServer) -> None:
        self.roots = [psutil.Process(server.process.pid) for server in servers if server.process is not None]

    def _servers(self) -> float:
        total = 0.0
        for root in self.roots:
            for process in (root, *root.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    spent = process.cpu_times()
                    total += spent.user + spent.system
        return total

    def of(
        self, work: Callable[[], object], *, rounds: int, before: Callable[[], object] = lambda: None
    ) -> list[float]:
        """[ours, the servers'], medians. A server's clock ticks 100 times a second: its column is coarse."""
        ours, theirs = [], []
        for _ in range(rounds):
            before()
            cpu, servers = time.process_time(), self._servers()
            work()
            ours.append((time.process_time() - cpu) * 1000)
            theirs.append((self._servers() - servers) * 1000)
        return [median(ours), median(theirs)]


def table(title: str, sizes: tuple[int, ...], rows: list[Row]) -> Iterator[str]:
    """Our ms / the servers' ms at each size; at ten times the largest, what the line through the last two comes to."""
    heads = [*(f"{size:,}" for size in sizes), f"{10 * sizes[-1]:,} (extrapolated)"]
    yield f"| {title} | {' | '.join(heads)} |"
    yield "|---|" + "---|" * len(heads)
    for name, ours, servers in rows:
        slope = max(0.0, ours[-1] - ours[-2]) / (sizes[-1] - sizes[-2])
        cells = [f"{one:.1f} / {other:.0f} ms" for one, other in zip(ours, servers, strict=True)]
        yield f"| {name} | {' | '.join(cells)} | {ours[-1] + slope * 9 * sizes[-1]:,.0f} ms |"
    yield ""


def streams(meter: Meter, *, sizes: int, rounds: int) -> Iterator[str]:
    from django.contrib.auth import get_user_model
    from django.test import Client
    from django.utils import timezone

    from streams import services
    from streams.models import Stream, StreamLimit
    from streams.services.samples import take_samples
    from tradeul_ops.connections import data_redis

    client = Client(headers={"host": "localhost"})
    client.force_login(get_user_model().objects.create_superuser("benchmark"))
    work: dict[str, Callable[[], object]] = {
        "a sweep, all due, none too long": lambda: services.enforce_limits(timezone.now()),
        "samples": lambda: take_samples(now=timezone.now()),
        "limits published again, nothing changed": services.publish_limits,
        "the overview, a poll": lambda: client.get("/", headers={"HX-Request": "true"}),
        "the list of streams, a poll": lambda: client.get("/streams/", headers={"HX-Request": "true"}),
        "Prometheus' metrics": lambda: client.get("/metrics"),
    }
    found: dict[str, Row] = {name: (name, [], []) for name in work}
    StreamLimit.objects.all().delete()
    for size in STREAMS[:sizes]:
        names = [f"bench:{number}" for number in range(size)]
        pipe = data_redis().pipeline(transaction=False)
        for name in names:
            for _ in range(20):
                pipe.xadd(name, {"data": "x" * 200}, maxlen=20, approximate=False)
        pipe.execute()
        known = set(StreamLimit.objects.values_list("pattern", flat=True))
        span = timedelta(seconds=30)
        bounds = {"maxlen": 100, "trim_threshold": 120, "trim_interval": span, "hard_maxlen": 300}
        StreamLimit.objects.bulk_create([StreamLimit(pattern=name, **bounds) for name in names if name not in known])
        services.publish_limits()
        for name, one in work.items():
            ours, theirs = meter.of(one, rounds=rounds, before=lambda: Stream.objects.update(due_at=None))
            found[name][1].append(ours)
            found[name][2].append(theirs)
    yield from table("streams", STREAMS[:sizes], list(found.values()))


def tickers(meter: Meter, *, sizes: int, rounds: int) -> Iterator[str]:
    from snapshots.publisher import SnapshotReader
    from snapshots.publisher.sync import SnapshotManager
    from tradeul_ops.connections import data_redis
    from tradeul_ops.demo.market import Market
    from tradeul_ops.demo.universe import securities

    found: dict[str, Row] = {name: (name, [], []) for name in ("a full", "a delta", "a reader follows a delta")}
    for size in TICKERS[:sizes]:
        market = Market(1, securities(size), START)
        records = {symbol: json.loads(record) for symbol, record in market.records.items()}
        manager, reader = SnapshotManager(data_redis(), name=f"n{size}"), SnapshotReader(data_redis(), f"n{size}")

        def tick(market: Market = market, records: dict[str, Any] = records) -> None:
            records |= {symbol: json.loads(record) for symbol, record in market.tick().changed.items()}

        save = partial(manager.save_snapshot, records)

        def tick_and_save(tick: Callable[[], None] = tick, save: Callable[[], object] = save) -> None:
            tick()
            save()

        save()
        reader.refresh()
        steps: tuple[tuple[str, Callable[[], object], Callable[[], object]], ...] = (
            ("a full", partial(save, force_full=True), tick),
            ("a delta", save, tick),
            ("a reader follows a delta", reader.refresh, tick_and_save),
        )
        for name, one, before in steps:
            reader.refresh()
            ours, theirs = meter.of(one, rounds=rounds, before=before)
            found[name][1].append(ours)
            found[name][2].append(theirs)
    yield from table("tickers", TICKERS[:sizes], list(found.values()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("streams", "tickers"))
    parser.add_argument("--sizes", type=int, choices=(2, 3), default=3, help="2 leaves the largest out")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        postgres = PostgresServer(Path(name) / "postgres", free_port())
        redis = ValkeyServer(Path(name) / "redis", free_port(), options={"save": ""})
        try:
            postgres.start()
            redis.start()
            os.environ |= {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url, "HTTPS": "false"}
            os.environ |= {"CELERY_BROKER_URL": redis.url.replace("/0", "/1"), "SECRET_KEY": "benchmark" * 8}
            os.environ |= {"DJANGO_SETTINGS_MODULE": "tradeul_ops.settings", "LOG_LEVEL": "ERROR"}
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            meter = Meter(postgres, redis)
            for part in (one for one in (streams, tickers) if asked.only in (None, one.__name__)):
                for line in part(meter, sizes=asked.sizes, rounds=asked.rounds):
                    print(line, flush=True)
        finally:
            redis.stop()
            postgres.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

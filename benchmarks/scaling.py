"""Measures what the console's own work costs as streams, tickers and chunks grow tenfold and a hundredfold.

    python benchmarks/scaling.py [--rounds 3] [--only streams|tickers|chunks] [--sizes 2]

Servers of its own; some minutes. CPU, not time, since a machine is seldom quiet: of this process, which does what
worker and web do, and of the servers. The last column is the line through the last two sizes, and says so.
Chunks need an installed PostgreSQL that offers TimescaleDB, whose own jobs do not run meanwhile.
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

from tradeul_ops.demo.servers import PostgresServer, ValkeyServer, bundled_postgres, free_port
from tradeul_ops.demo.timescale import installed_postgres

STREAMS, TICKERS, CHUNKS = (10, 100, 1000), (119, 1190, 11_900), (10, 100, 1000)
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


def chunks(meter: Meter, *, sizes: int, rounds: int) -> Iterator[str]:
    """`scan_results`, a chunk an hour with a row in each, the newest one of this hour."""
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client
    from django.utils import timezone

    from timescale import services
    from timescale.models import HypertablePolicy

    client = Client(headers={"host": "localhost"})
    client.force_login(get_user_model().objects.get_or_create(username="chunks", is_superuser=True)[0])
    page = f"/hypertables/tables/{HypertablePolicy.objects.get(table_name='scan_results').pk}/"
    work: dict[str, Callable[[], object]] = {
        "policies compared": services.reconcile_policies,
        "samples of the tables": lambda: services.take_samples(now=timezone.now()),
        "the overview, a poll": lambda: client.get("/", headers={"HX-Request": "true"}),
        "the list of tables, a poll": lambda: client.get("/hypertables/", headers={"HX-Request": "true"}),
        "the page of the table": lambda: client.get(page),
        "Prometheus' metrics": lambda: client.get("/metrics"),
    }
    found: dict[str, Row] = {name: (name, [], []) for name in work}
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_chunk_time_interval('scan_results', interval '1 hour')")
    for size in CHUNKS[:sizes]:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO scan_results (time, symbol, session, price) "
                "SELECT now() - i * interval '1 hour', 'AAPL', 'MARKET_OPEN', 1 FROM generate_series(0, %s) i",
                [size - 1],
            )
            cursor.execute("ANALYZE scan_results")
            cursor.execute("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'scan_results'")
            assert cursor.fetchone()[0] in (size, size + 1)  # an hour may begin meanwhile
        for name, one in work.items():
            one()  # the first time also fills the server's caches
            ours, theirs = meter.of(one, rounds=rounds)
            found[name][1].append(ours)
            found[name][2].append(theirs)
    yield from table("chunks of one table", CHUNKS[:sizes], list(found.values()))


PARTS = {part.__name__: part for part in (streams, tickers, chunks)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--sizes", type=int, choices=(2, 3), default=3, help="2 leaves the largest out")
    asked = parser.parse_args()
    from tests.timescale.servers import SETTINGS

    with tempfile.TemporaryDirectory() as name:
        installed = installed_postgres()
        postgres = PostgresServer(
            Path(name) / "postgres",
            free_port(),
            bin_path=installed[0] if installed else bundled_postgres(),
            settings=SETTINGS if installed else {},
        )
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
            for part in [asked.only] if asked.only else PARTS:
                if part == "chunks" and not installed:
                    print("chunks: no installed PostgreSQL offers TimescaleDB")
                    continue
                for line in PARTS[part](meter, sizes=asked.sizes, rounds=asked.rounds):
                    print(line, flush=True)
        finally:
            redis.stop()
            postgres.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Measures the pages at size, on servers of its own: the overview, and the list of streams. CPU, and round trips.

    python benchmarks/console.py [overview] [list] [--bin DIRECTORY]

The overview: 500 streams with 1,000 groups, 8 producers, and a hypertable of 200 chunks where an installed PostgreSQL
offers TimescaleDB, or --bin's does (else plain tables). The list: 5,000 streams with 15,000 groups. Each page goes
through Django whole, session and template included. "CPU" is this process's, which is what a web process spends; beside
it what Valkey and PostgreSQL spent meanwhile. Ratios are to the raw commands that read the same from the servers.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil
import redis
from _measure import Row
from _trims import FILL

from tradeul_ops.demo.servers import PostgresServer, ValkeyServer, free_port
from tradeul_ops.demo.timescale import installed_postgres

OVERVIEW_BUDGET_MS, LIST_BUDGET_MS = 50, 500
GROUPS = ("scanner", "gateway", "pricing")
ROUNDS = 15
PRELOADED = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "0",
}
Work = Callable[[], Any]
HTMX = {"HX-Request": "true"}
POLL = HTMX | {"HX-Trigger": "live"}  # as an open page asks: of tables it is told what was read a little while ago


class Meter:
    """CPU seconds of this process, of Valkey and of PostgreSQL, all of its processes."""

    def __init__(self, valkey: ValkeyServer, postgres: PostgresServer) -> None:
        assert valkey.process and postgres.process
        self.servers = [psutil.Process(server.process.pid) for server in (valkey, postgres)]

    def versus(self, what: str, raw: Work, page: Work, *, budget: float | None = None, rounds: int = ROUNDS) -> Row:
        """In turns. CPU here and clock: medians; ratio: of paired rounds; servers: means, their clocks tick slowly."""
        spent: dict[Work, list[tuple[float, ...]]] = {raw: [], page: []}
        for number in range(rounds + 2):
            for work in random.sample([raw, page], 2):
                before = self._read()
                work()
                if number >= 2:  # the first two warm up
                    spent[work].append(tuple(b - a for a, b in zip(before, self._read(), strict=True)))
        ratio = median(ours[0] / base[0] for base, ours in zip(spent[raw], spent[page], strict=True))
        told = [_told(spent[work]) for work in (raw, page)]
        cpu = median(ours[0] for ours in spent[page]) * 1000
        goal = "" if budget is None else f"≤ {budget:.0f} ms CPU"
        return Row(what, *told, ratio, goal, budget is None or cpu <= budget)

    def _read(self) -> tuple[float, ...]:
        return time.process_time(), time.perf_counter(), *(self._of(server) for server in self.servers)

    def _of(self, server: psutil.Process) -> float:
        total = 0.0
        for process in (server, *server.children(recursive=True)):
            times = process.cpu_times()
            total += times.user + times.system
        return total


def _told(spent: list[tuple[float, ...]]) -> str:
    here, clock = (median(one[place] for one in spent) * 1000 for place in (0, 1))
    valkey, postgres = (sum(one[place] for one in spent) / len(spent) * 1000 for place in (2, 3))
    return f"{here:.1f} ms CPU, {clock:.1f} by the clock (Valkey {valkey:.1f}, PostgreSQL {postgres:.1f})"


@contextmanager
def stack(directory: Path, bin_path: Path | None) -> Iterator[tuple[redis.Redis, Meter, Any]]:
    """Both servers with Django on them, migrated; and a logged-in browser."""
    valkey = ValkeyServer(directory / "valkey", free_port(), options={"save": ""})
    more: dict[str, Any] = {"bin_path": bin_path, "settings": PRELOADED} if bin_path else {}
    postgres = PostgresServer(directory / "postgres", free_port(), **more)
    valkey.start()
    postgres.start()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tradeul_ops.settings",
        "SECRET_KEY": "benchmarks-only-" * 4,
        "HTTPS": "false",
        "ALLOWED_HOSTS": "testserver",
        "DATABASE_URL": postgres.url,
        "REDIS_URL": valkey.url,
        "CELERY_BROKER_URL": valkey.url.removesuffix("/0") + "/1",
    }
    try:
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        from django.contrib.auth import get_user_model
        from django.test import Client

        browser = Client()
        browser.force_login(get_user_model().objects.create_superuser("benchmark"))
        yield redis.Redis.from_url(valkey.url, protocol=2), Meter(valkey, postgres), browser
        connections.close_all()
    finally:
        postgres.stop()
        valkey.stop()


def fill(client: redis.Redis, streams: int, *, groups: int, entries: int = 30) -> list[str]:
    """Streams under one limit for all of them, sampled for an hour, a minute apart."""
    from django.utils import timezone

    from streams import services
    from streams.models import Stream, StreamLimit, StreamSample

    for rows in (StreamLimit, Stream, StreamSample):
        rows.objects.all().delete()
    client.flushdb()
    names = [f"read:{n:04}" for n in range(streams)]
    pipe = client.pipeline(transaction=False)
    for number, name in enumerate(names):
        pipe.eval(FILL, 1, name, entries, 200)  # type: ignore[arg-type]
        for group in GROUPS[:groups]:
            pipe.xgroup_create(name, group, "$" if number % 50 else "0")  # one stream in fifty is not read any more
        if len(pipe.command_stack) > 1000:
            pipe.execute()
    pipe.execute()
    StreamLimit.objects.create(
        pattern="read:*", maxlen=100, trim_threshold=120, hard_maxlen=1000, trim_interval=timedelta(seconds=30)
    )
    services.discover_streams(now=timezone.now())
    services.publish_limits()
    sampled()
    return names


def sampled() -> None:
    """An hour of them: one tick a minute, the last one fresh."""
    from django.utils import timezone

    from streams.services.samples import take_samples

    now = timezone.now()
    for minute in range(60, -1, -1):
        take_samples(now=now - timedelta(minutes=minute))


def chunked(chunks: int) -> int:
    """A row an hour in scan_results: one a chunk. How many there are; 0 on plain PostgreSQL."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'")
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(
            "INSERT INTO scan_results (time, symbol, session, price, volume, volume_today, change_percent, rvol) "
            "SELECT date_trunc('hour', now()) - n * interval '1 hour', 'AAPL', 'MARKET_OPEN', 1, 1, 1, 1, 1 "
            "FROM generate_series(0, %s) AS n",
            [chunks - 1],
        )
        cursor.execute("ANALYZE")
        cursor.execute("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'scan_results'")
        return int(cursor.fetchone()[0])


def overview(
    client: redis.Redis, meter: Meter, browser: Any, *, streams: int = 500, producers: int = 8
) -> Iterator[Row]:
    from django.db import connection
    from django.utils import timezone

    from streams.producer import StreamProducer
    from streams.services.samples import take_samples
    from tradeul_ops import liveness

    names, chunks = fill(client, streams, groups=2), chunked(200)
    ours = [StreamProducer(client, name=f"service-{n}") for n in range(producers)]
    for one in ours:
        one.start()

    def raw() -> None:
        """What the page tells, asked for with nothing around it: states, memory, producers, sizes of the chunks."""
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.xlen(name)
            pipe.xinfo_groups(name)
            pipe.memory_usage(name)
        pipe.info("memory").hgetall("tradeul:streams:producers").hgetall("tradeul:streams:limits")
        pipe.execute()
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM streams_streamlimit")
            cursor.fetchall()
            if chunks:
                cursor.execute("SELECT * FROM chunks_detailed_size('scan_results')")
                cursor.fetchall()

    def beaten() -> None:
        """What beat does every few seconds: without it the last samples are soon too old to say anything of now."""
        take_samples(now=timezone.now())
        for role in ("worker", "beat"):
            liveness.stamp(role)  # type: ignore[arg-type]

    try:
        what = f"the overview of {streams} streams, {2 * streams:,} groups, {chunks} chunks, {producers} producers"
        beaten()
        yield meter.versus(f"{what}: what a poll gets", raw, get(browser, "/", HTMX), budget=OVERVIEW_BUDGET_MS)
        beaten()
        what_else = f"{what}: the same, tables read by a poll before it"
        addresses = (f"/?{number}" for number in count())  # each its own: nobody's drawing is shared
        yield meter.versus(what_else, raw, lambda: get(browser, next(addresses), POLL)(), budget=OVERVIEW_BUDGET_MS)
        beaten()
        what_else = f"{what}: the same, in a crowd, most within a second of another's"
        yield meter.versus(what_else, raw, get(browser, "/", POLL), budget=OVERVIEW_BUDGET_MS)
        beaten()
        yield meter.versus(f"{what}: whole page", raw, get(browser, "/", {}))
        beaten()
        yield meter.versus("findings, as beat judges them every 15 s", raw, judged)
    finally:
        for one in ours:
            one.stop()


def judged() -> None:
    from django.utils import timezone

    from tradeul_ops.console.findings import judge_and_note
    from tradeul_ops.console.overview import read_overview

    judge_and_note(read_overview(now=timezone.now()))


def listed(client: redis.Redis, meter: Meter, browser: Any, *, streams: int = 5_000) -> Iterator[Row]:
    names = fill(client, streams, groups=3)

    def raw() -> None:
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.xlen(name)
            pipe.xinfo_groups(name)
            pipe.memory_usage(name)
        pipe.execute()

    what = f"the list of {streams:,} streams with {streams * 3:,} groups"
    for address in ("", "?sort=length", "?sort=state", "?sort=bytes", "?q=49", "?state=attention"):
        page = get(browser, f"/streams/{address}", HTMX)
        yield meter.versus(f"{what}, refresh {address}".rstrip(), raw, page, budget=LIST_BUDGET_MS, rounds=5)
    yield meter.versus(f"{what}, whole page", raw, get(browser, "/streams/", {}), budget=LIST_BUDGET_MS, rounds=5)


def get(browser: Any, path: str, headers: dict[str, str]) -> Callable[[], None]:
    def once() -> None:
        answer = browser.get(path, headers=headers)
        if answer.status_code != 200 or b"Redis could not be read" in answer.content:
            raise SystemExit(f"{path} answered {answer.status_code}")

    return once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="overview, list; both without")
    parser.add_argument("--bin", type=Path, help="with initdb and postgres; without, of an installed TimescaleDB")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    parts = {"overview": overview, "list": listed}
    bin_path = options.bin or next(iter(installed_postgres()), None)
    with tempfile.TemporaryDirectory(prefix="console-benchmark-") as folder, stack(Path(folder), bin_path) as made:
        client, meter, browser = made
        version: Any = client.info("server")
        print(f"Valkey {version.get('valkey_version')}, Python {sys.version.split()[0]}, {datetime.now(UTC):%Y-%m-%d}")
        print(f"Load of {os.cpu_count()} cores at the start: {os.getloadavg()[0]:.1f}\n")
        print("| what | raw commands | this page | ratio | goal |\n|---|---|---|---|---|")
        for part in options.parts or parts:
            for row in parts[part](client, meter, browser):
                print(row, flush=True)


if __name__ == "__main__":
    main()

"""What TimescaleDB makes of scan rows: size before and after, speed of the way in, query times, the guide's claims.

A server of its own, from an installed PostgreSQL that offers the Community edition, without background workers: jobs
are run by hand, once each, as `CALL run_job`. Prints the tables of docs/performance.md. 2 million rows take about five
minutes and 3 GB of disk.

Rows are realistic in what compression sees: 500 symbols scanned every 10 s, prices that walk, a volume that counts up,
metadata of 15 keys (about 790 bytes a row, the guide's are 837), three sessions a day.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from timescale.ingest import SCANS, copy_rows, merge_rows
from tradeul_ops.demo.servers import PostgresServer, free_port

SYMBOLS, EVERY = 500, timedelta(seconds=10)
CYCLE_ROWS = SYMBOLS
RAW, BY_CYCLE = "raw psycopg COPY", ", a cycle of 500 each"
SETTINGS = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "0",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "work_mem": "64MB",
}
QUERIES = {
    "last 5 min of all symbols": "SELECT * FROM scan_results WHERE time >= '{end}'::timestamptz - interval '5 min'",
    "one symbol, 1 h of history": "SELECT * FROM scan_results WHERE symbol = 'SYM0042' "
    "AND time >= '{middle}' AND time < '{middle}'::timestamptz + interval '1 h' ORDER BY time",
    "hourly bars from the raw rows": "SELECT time_bucket('1 hour', time) AS hour, symbol, session, first(price, time), "
    "max(price), min(price), last(price, time) FROM scan_results GROUP BY 1, 2, 3",
    "hourly bars from the aggregate": "SELECT bucket, symbol, session, open_price, high_price, low_price, close_price "
    "FROM scan_results_1hour",
}


def rows(count: int, *, end: datetime) -> Iterator[tuple[Any, ...]]:
    """Oldest first, in scan cycles."""
    draw = random.Random(5)
    cycles = count // SYMBOLS
    prices = [round(draw.lognormvariate(3, 1), 2) for _ in range(SYMBOLS)]
    volumes = [0] * SYMBOLS
    caps = [(draw.randrange(10**7, 10**12), draw.randrange(10**6, 10**10)) for _ in range(SYMBOLS)]
    averages = [draw.randrange(10**5, 10**7) for _ in range(SYMBOLS)]
    opens, highs, lows = prices.copy(), prices.copy(), prices.copy()
    for cycle in range(cycles):
        at = end - (cycles - 1 - cycle) * EVERY
        session = ("PRE_MARKET", "MARKET_OPEN", "POST_MARKET")[at.hour // 8]
        for place in range(SYMBOLS):
            if draw.random() < 0.4:  # the others did not trade in these 10 s
                prices[place] = max(0.01, round(prices[place] * (1 + draw.gauss(0, 0.0008)), 2))
                volumes[place] += draw.randrange(100, 5_000)
            price, volume = prices[place], volumes[place]
            highs[place], lows[place] = max(highs[place], price), min(lows[place], price)
            rvol = round(volume / averages[place], 4)
            change = round(100 * (price / opens[place] - 1), 4)
            metadata = {
                "rank": place, "exchange": "NASDAQ", "sector": "Technology", "bid": round(price - 0.01, 2),
                "ask": round(price + 0.01, 2), "bid_size": place % 9 * 100, "ask_size": place % 7 * 100,
                "vwap": round((highs[place] + lows[place] + price) / 3, 4), "atr": round(highs[place] - lows[place], 4),
                "trades": volume // 120, "open": opens[place], "high": highs[place], "low": lows[place],
                "halted": False, "source": "scanner-1",
            }  # fmt: skip
            yield (
                at, f"SYM{place:04}", session, price, volume // (cycle + 1), volume, change, rvol, round(rvol * 1.1, 4),
                round(100 * (price / highs[place] - 1), 4), round(100 * (price / lows[place] - 1), 4),
                *caps[place], round(min(100, rvol * 10 + abs(change)), 4), ["rvol", "gap"], metadata,
            )  # fmt: skip


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def raw_copy(connection: Any, some: list[tuple[Any, ...]]) -> None:
    """What psycopg alone does, as its manual says."""
    from psycopg.types.json import Jsonb

    names = ", ".join(SCANS.columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY scan_results ({names}) FROM STDIN") as copy:
        for row in some:
            copy.write_row((*row[:-1], Jsonb(row[-1])))


def ingest(connection: Any, *, end: datetime, rounds: int) -> dict[str, tuple[float, float, float]]:
    """Rows a second, and how many times raw COPY's speed that is: by the clock, and by this process's CPU.

    In turns over the same rows; the table is emptied between.
    """
    some = list(rows(40 * CYCLE_ROWS, end=end))
    cycles = [some[at : at + CYCLE_ROWS] for at in range(0, len(some), CYCLE_ROWS)]
    ways: dict[str, Callable[[], Any]] = {
        RAW: lambda: raw_copy(connection, some),
        "copy_rows": lambda: copy_rows(connection, SCANS, some),
        f"{RAW}{BY_CYCLE}": lambda: [raw_copy(connection, cycle) for cycle in cycles],
        f"copy_rows{BY_CYCLE}": lambda: [copy_rows(connection, SCANS, cycle) for cycle in cycles],
        f"merge_rows{BY_CYCLE}": lambda: [merge_rows(connection, SCANS, cycle) for cycle in cycles],
    }
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name in random.sample(list(ways), len(ways)):
            connection.execute("TRUNCATE scan_results")
            began = time.perf_counter(), time.process_time()
            ways[name]()
            if number:  # the first warms up
                took[name].append((time.perf_counter() - began[0], time.process_time() - began[1]))
    connection.execute("TRUNCATE scan_results")
    figures = {}
    for name, times in took.items():
        base = took[RAW + (BY_CYCLE if name.endswith(BY_CYCLE) else "")]
        clock, cpu = (median(b[i] / m[i] for m, b in zip(times, base, strict=True)) for i in (0, 1))
        figures[name] = len(some) / median(clocked for clocked, _ in times), clock, cpu
    return figures


def query_times(connection: Any, *, end: datetime, hours: float) -> dict[str, float]:
    """Milliseconds, median of seven; the rows reach this process, which does not parse them."""
    middle = end - timedelta(hours=hours / 2)
    found = {}
    for name, query in QUERIES.items():
        filled = query.format(end=end.isoformat(), middle=middle.isoformat())
        connection.execute(filled)
        found[name] = 1000 * median(seconds(lambda q=filled: connection.execute(q)) for _ in range(7))
    return found


def size(connection: Any, relation: str = "scan_results") -> int:
    return int(connection.execute("SELECT hypertable_size(%s::regclass)", [relation]).fetchone()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="of the comparison with raw COPY")
    parser.add_argument("--bin", type=Path, default=Path("/usr/lib/postgresql/15/bin"), help="with initdb and postgres")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="timescale-benchmark-") as folder:
        server = PostgresServer(Path(folder), free_port(), bin_path=options.bin, settings=SETTINGS)
        server.start()
        try:
            measure(server.url, count=options.rows, rounds=options.rounds)
        finally:
            server.stop()


def measure(url: str, *, count: int, rounds: int) -> None:
    os.environ |= {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings", "LOG_LEVEL": "WARNING"}
    import django

    django.setup()
    import psycopg
    from django.core.management import call_command

    from timescale.services import reconcile_policies
    from timescale.services.refreshing import fill_aggregates

    call_command("migrate", "timescale", verbosity=0)
    # Scans up to the last full hour: what the policies leave uncompressed are the hours since, and two more.
    end = datetime.now(tz=UTC).replace(minute=0, second=0, microsecond=0) - EVERY
    hours = count / SYMBOLS * EVERY / timedelta(hours=1)
    with psycopg.connect(url, autocommit=True) as connection:
        version = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()[0]
        server = connection.info.parameter_status("server_version")
        print(f"TimescaleDB {version}, PostgreSQL {server}; {count:,} rows, {hours:.1f} h of {SYMBOLS} symbols\n")
        print("| way in | rows/s | × raw COPY | × raw, client's CPU |\n|---|---|---|---|")
        for name, (speed, clock, cpu) in ingest(connection, end=end, rounds=rounds).items():
            print(f"| {name} | {speed:,.0f} | {clock:.2f} | {cpu:.2f} |")
        took = seconds(lambda: copy_rows(connection, SCANS, rows(count, end=end)))
        connection.execute("ANALYZE scan_results")
        before = size(connection)
        filled = seconds(lambda: fill_aggregates(now=end + EVERY))
        reconcile_policies()
        uncompressed = query_times(connection, end=end, hours=hours)
        spent = {kind: run_jobs(connection, proc) for kind, proc in JOBS.items()}
        report(connection, count=count, before=before, took=took, filled=filled, spent=spent)
        compressed = query_times(connection, end=end, hours=hours)
        print("\n| query | rows as rows | compressed by the policy |\n|---|---|---|")
        for name in QUERIES:
            print(f"| {name} | {uncompressed[name]:,.1f} ms | {compressed[name]:,.1f} ms |")


JOBS = {"refresh": "policy_refresh_continuous_aggregate", "columnstore": "policy_compression"}


def run_jobs(connection: Any, proc: str) -> float:
    """Every job of the kind, once."""
    jobs = connection.execute(
        "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = %s ORDER BY 1", [proc]
    ).fetchall()
    return seconds(lambda: [connection.execute(f"CALL run_job({job_id})") for (job_id,) in jobs])


def report(connection: Any, *, count: int, before: int, took: float, filled: float, spent: dict[str, float]) -> None:
    after = size(connection)
    chunks, packed, was, became = connection.execute(
        "SELECT total_chunks, number_compressed_chunks, before_compression_total_bytes, after_compression_total_bytes "
        "FROM hypertable_columnstore_stats('scan_results')"
    ).fetchone()
    if not packed:
        print(f"\nNo chunk is older than 2 h: --rows {count:,} is too few.")
        return
    bytes_a_row = before / count
    guide_rows = 12_500_000
    print("\n| what | the integration guide | measured |\n|---|---|---|")
    lines = [
        ("load, generating the rows included", "", f"{count / took:,.0f} rows/s"),
        ("bytes a row before, indexes included", "837 (10 GB / 12.5 M rows)", f"{bytes_a_row:,.0f}"),
        ("chunks older than 2 h compressed", "yes; with its 7-day chunks none", f"{packed} of {chunks}"),
        ("saved in them", "80–90 %", f"{1 - became / was:.1%} ({was / 1e6:,.0f} → {became / 1e6:,.0f} MB)"),
        ("the table", "", f"{before / 1e6:,.0f} → {after / 1e6:,.0f} MB"),
        (
            "10 GB / 12.5 M rows become",
            "2–3 GB",
            f"{guide_rows * bytes_a_row * became / was / 1e9:.2f} GB, were all compressed (scaled up)",
        ),
        ("columnstore jobs, once", "", f"{spent['columnstore']:.1f} s"),
        ("first fill of both aggregates", "", f"{filled:.1f} s"),
        ("both refresh jobs after it", "", f"{1000 * spent['refresh']:,.0f} ms"),
    ]
    for view, factor in (("scan_results_1min", "60 ×"), ("scan_results_1hour", "")):
        [held] = connection.execute(f"SELECT count(*) FROM {view}").fetchone()
        lines.append((f"rows of {view}", f"{factor} fewer" if factor else "", f"{held:,}: {count / held:,.1f} × fewer"))
    for line in lines:
        print("| " + " | ".join(line) + " |")


if __name__ == "__main__":
    main()

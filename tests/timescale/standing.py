"""Databases as a running platform may have left them, with rows: what an adoption meets.

The four tables in an older shape (varchar, narrow numerics, no key on the scans, chunks of a week, a view that reads
them), then as much of the integration guide's migration as succeeds on the edition.
"""

from __future__ import annotations

from django.db import connection

from timescale.engine.edition import Edition
from timescale.store import catalog

TABLES = [
    """CREATE TABLE scan_results (time timestamptz NOT NULL, symbol varchar(10) NOT NULL, session varchar(20) NOT NULL,
    price decimal(12,4), volume bigint, volume_today bigint, change_percent decimal(8,4), rvol decimal(10,4),
    rvol_slot decimal(10,4), price_from_high decimal(8,4), price_from_low decimal(8,4), market_cap bigint,
    float_shares bigint, score decimal(10,4), filters_matched text[], metadata jsonb)""",
    """CREATE TABLE volume_slots (date date NOT NULL, symbol varchar(10) NOT NULL, slot_number integer NOT NULL,
    slot_time time NOT NULL, volume_accumulated bigint, trades_count integer, avg_price decimal(12,4),
    PRIMARY KEY (date, symbol, slot_number))""",
    """CREATE TABLE volume_slot_averages (symbol varchar(10) NOT NULL, slot_number integer NOT NULL, slot_time time,
    avg_volume_5d bigint, avg_volume_10d bigint, avg_volume_20d bigint, days_count integer,
    updated_at timestamptz DEFAULT now(), PRIMARY KEY (symbol, slot_number))""",
    """CREATE TABLE market_data_daily (trading_date date NOT NULL, symbol varchar(10) NOT NULL,
    open decimal(12,4) NOT NULL, high decimal(12,4) NOT NULL, low decimal(12,4) NOT NULL, close decimal(12,4) NOT NULL,
    volume bigint NOT NULL, vwap decimal(12,4), trades_count integer, PRIMARY KEY (trading_date, symbol))""",
    "CREATE INDEX idx_scan_results_symbol_time ON scan_results (symbol, time DESC)",
    "CREATE INDEX idx_scan_results_session ON scan_results (session, time DESC)",
    "CREATE INDEX idx_market_data_daily_symbol ON market_data_daily (symbol, trading_date DESC)",
    "CREATE VIEW best_scores AS SELECT symbol, max(score) AS score FROM scan_results GROUP BY symbol",
    "CREATE TABLE ticker_metadata (symbol varchar(10) PRIMARY KEY, company_name varchar(255))",
    "INSERT INTO ticker_metadata VALUES ('AAPL', 'Apple Inc.')",
]
HYPERTABLES = [
    "CREATE EXTENSION IF NOT EXISTS timescaledb",
    "SELECT create_hypertable('scan_results', 'time', if_not_exists => true)",
    "SELECT create_hypertable('market_data_daily', 'trading_date', chunk_time_interval => interval '1 month')",
]
ROWS = [
    # Every 10 minutes for 10 hours and every 8 hours for 9 days; the last hundred twice, as a retry leaves them.
    """INSERT INTO scan_results (time, symbol, session, price, volume, volume_today, rvol, score, metadata)
    SELECT date_trunc('minute', now()) - i * interval '10 min', 'S' || s, 'MARKET_OPEN', 100 + i % 7 + s, 10, 10000 - i,
           2.5, i % 90, '{"rank": 1}' FROM generate_series(1, 4) AS s,
           (SELECT generate_series(0, 59) UNION SELECT 48 * generate_series(2, 26)) AS ticks (i)""",
    "INSERT INTO scan_results SELECT * FROM scan_results ORDER BY time DESC, symbol LIMIT 100",
    """INSERT INTO volume_slots SELECT current_date - d, 'S1', n, make_time(9, n, 0), n * 100, n, 10
    FROM generate_series(0, 20) AS d, generate_series(0, 9) AS n""",
    """INSERT INTO volume_slot_averages (symbol, slot_number, avg_volume_5d, updated_at)
    SELECT 'S1', n, n, now() - interval '1 day' FROM generate_series(0, 9) AS n""",
    """INSERT INTO market_data_daily SELECT current_date - d, 'S1', 1, 2, 1, 2, 1000
    FROM generate_series(0, 60) AS d""",
]
# What of the first script and of the guide's migration does something on the Community edition.
POLICIES = [
    "ALTER TABLE scan_results SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol,session')",
    "SELECT add_compression_policy('scan_results', interval '7 days')",
    "SELECT add_retention_policy('scan_results', interval '7 days')",
    "SELECT add_retention_policy('scan_results', interval '3 days', if_not_exists => true)",  # -1: 7 days stay
    "SELECT add_retention_policy('market_data_daily', interval '90 days')",
    """CREATE MATERIALIZED VIEW scan_results_1min WITH (timescaledb.continuous) AS
    SELECT time_bucket('1 minute', time) AS bucket, symbol, session, first(price, time) AS open_price,
           sum(volume) AS total_volume, avg(rvol) AS avg_rvol, count(*) AS sample_count
    FROM scan_results GROUP BY bucket, symbol, session""",
    """SELECT add_continuous_aggregate_policy('scan_results_1min', start_offset => interval '1 hour',
    end_offset => interval '30 seconds', schedule_interval => interval '30 seconds')""",
    "SELECT add_retention_policy('scan_results_1min', interval '30 days')",
    """CREATE MATERIALIZED VIEW scan_results_1hour WITH (timescaledb.continuous) AS
    SELECT time_bucket('1 hour', time) AS bucket, symbol, session, first(price, time) AS open_price,
           sum(volume) AS total_volume, count(*) AS sample_count
    FROM scan_results GROUP BY bucket, symbol, session""",
    """SELECT add_continuous_aggregate_policy('scan_results_1hour', start_offset => interval '7 days',
    end_offset => interval '1 hour', schedule_interval => interval '1 hour')""",
    # One of its chunks, the oldest, is a week old and compressed.
    "SELECT compress_chunk(c) FROM show_chunks('scan_results') AS c LIMIT 1",
    "ALTER TABLE scan_results SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 10)",
]
SYMBOL_PRICES = "SELECT time, symbol, session, price, volume, volume_today, rvol, score, metadata::text FROM {}"


def build(edition: Edition) -> None:
    """In the default database, which has or offers the extension that the edition needs."""
    steps = [*TABLES, *ROWS]
    if edition is not Edition.NONE:
        steps = [*TABLES, *HYPERTABLES, *ROWS, *(POLICIES if edition is Edition.COMMUNITY else ())]
    with connection.cursor() as cursor:
        for step in steps:  # one by one, as psql sends them
            cursor.execute(step)


def edition_here() -> Edition:
    """Makes the extension to find out: Debian's build says its licence only once it is loaded."""
    if catalog.read_detection(connection).can_install:
        ask("CREATE EXTENSION timescaledb")
    return catalog.read_detection(connection).edition


def ask(query: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


def all_scans() -> list[tuple]:
    """Every row of the scans, those set aside with them, in an order of their own."""
    query = SYMBOL_PRICES.format("scan_results")
    if ask("SELECT to_regclass('scan_results_set_aside')") != [(None,)]:
        query += " UNION ALL " + SYMBOL_PRICES.format("scan_results_set_aside")
    return sorted(ask(query))

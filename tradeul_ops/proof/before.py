"""The platform as the integration guide found it. Bounds nothing; what the guide quotes of its code is done as there.

Streams without a limit, but for the ranking's deltas, whose 20,000 were written into the code; all tickers as one JSON
string every five seconds; rows by `executemany` into a plain table.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from timescale.ingest import SCANS
from tradeul_ops.demo.feed import SNAPSHOT
from tradeul_ops.proof.side import Side
from tradeul_ops.proof.source import Work
from tradeul_ops.proof.writers import Records

HARD_CODED = {"stream:ranking:deltas": 20_000}
BATCH = 100

TABLE = """CREATE TABLE scan_results (time timestamptz NOT NULL, symbol text NOT NULL, session text NOT NULL,
    price numeric, volume bigint, volume_today bigint, change_percent numeric, rvol numeric, rvol_slot numeric,
    price_from_high numeric, price_from_low numeric, market_cap bigint, float_shares bigint, score numeric,
    filters_matched text[], metadata jsonb)"""
INDEXES = (
    "CREATE INDEX scan_results_time ON scan_results (time DESC)",
    "CREATE INDEX scan_results_symbol_time ON scan_results (symbol, time DESC)",
    "CREATE INDEX scan_results_session ON scan_results (session, time DESC)",
    "CREATE INDEX scan_results_score ON scan_results (score DESC, time DESC)",
    "CREATE INDEX scan_results_rvol ON scan_results (rvol DESC, time DESC) WHERE rvol > 2.0",
)
INSERT = f"INSERT INTO scan_results ({', '.join(SCANS.columns)}) VALUES ({', '.join(['%s'] * len(SCANS.columns))})"  # noqa: S608


class Before(Side):
    name = "before"

    def __init__(self) -> None:
        super().__init__()
        self._state: Records = {}

    def open(self, redis_url: str, database_url: str, *, postgres_pid: int | None) -> None:
        super().open(redis_url, database_url, postgres_pid=postgres_pid)
        self.database.execute(TABLE)

    def index(self) -> None:
        """After the older scans are in: so they are as dense as can be, to this side's advantage."""
        for statement in INDEXES:
            self.database.execute(statement)

    def write_snapshot(self, records: Records, *, at: datetime) -> None:
        document = orjson.dumps(records)
        self.redis.set(SNAPSHOT, document)
        self.seen.full_bytes.append(len(document))

    def write_entries(self, work: Work) -> None:
        for stream, entries in work.entries.items():
            for first in range(0, len(entries), BATCH):
                pipe = self.redis.pipeline(transaction=False)
                for fields in entries[first : first + BATCH]:
                    pipe.xadd(stream, fields, maxlen=HARD_CODED.get(stream), approximate=True)
                pipe.execute()

    def write_rows(self, rows: list[tuple[Any, ...]]) -> None:
        with self.database.transaction(), self.database.cursor() as cursor:
            cursor.executemany(INSERT, rows)

    def follow(self) -> None:
        document: Any = self.redis.get(SNAPSHOT)
        self._state = orjson.loads(document)

    def state(self) -> Records:
        return self._state

    def table_bytes(self) -> int:
        return int(self._one("SELECT pg_total_relation_size('scan_results')")[0])

"""The platform with this project: producer library, SnapshotManager, COPY, and a worker and a beat that enforce.

Installed as the README says: migrate, `timescale apply`. One stream is written by a service that never heard of limits,
so that what beat does alone is seen, too.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from typing import Any, Protocol

from snapshots.publisher import SnapshotReader
from snapshots.publisher.sync import SnapshotManager
from streams.producer import StreamProducer
from timescale.engine.edition import Detection, Edition
from timescale.ingest import SCANS, copy_rows
from timescale.store import catalog
from tradeul_ops.demo.feed import CARELESS
from tradeul_ops.demo.stack import Stack
from tradeul_ops.proof import meters
from tradeul_ops.proof.side import Side
from tradeul_ops.proof.source import Work
from tradeul_ops.proof.writers import Records

SNAPSHOT = "enriched"
KEPT = timedelta(days=3)
COMPRESSED_AFTER = timedelta(hours=2)
CHUNK = timedelta(hours=1)
# How long after its time something may still be there: a job comes once an hour, or in half of one, beat in 30 s.
DROPPED_WITHIN, COMPRESSED_WITHIN, BEAT_WITHIN = timedelta(hours=1), timedelta(minutes=30), timedelta(minutes=2)
PARTS = ("worker", "beat")

MANAGED = """
UPDATE snapshots_snapshotpolicy SET source_kind = 'manager', source_key = '', full_snapshot_interval = %s,
    full_ttl = greatest(full_ttl, 2 * %s::interval) WHERE name = %s
"""
WAITING_CHUNKS = """
SELECT count(*) FROM timescaledb_information.chunks
WHERE hypertable_name = 'scan_results' AND (range_end < now() - %s::interval OR (
    range_end < now() - %s::interval AND NOT is_compressed))
"""
JOBS = """
SELECT j.job_id, COALESCE(s.total_runs, 0) > 0 AND s.job_status <> 'Running',
    (SELECT e.err_message FROM timescaledb_information.job_errors e WHERE e.job_id = j.job_id LIMIT 1)
FROM timescaledb_information.jobs j LEFT JOIN timescaledb_information.job_stats s USING (job_id)
WHERE j.hypertable_name = 'scan_results' AND j.proc_name IN ('policy_compression', 'policy_retention') ORDER BY 1
"""
OLD_ROWS = "SELECT EXISTS (SELECT FROM scan_results WHERE time < now() - %s::interval)"


class QuietStack(Stack):
    """Keeps what it would say: the command has a table to print."""

    def say(self, name: str, line: str) -> None:
        self.__dict__.setdefault("said", []).append(f"{name}: {line}")


class After(Side):
    name = "after"

    def __init__(self, stack: Stack, *, full_snapshot_interval: timedelta) -> None:
        super().__init__()
        self.stack = stack
        self._full_interval = full_snapshot_interval
        self._market_seconds = time.time()
        self._open = ExitStack()

    def open(self, redis_url: str, database_url: str, *, postgres_pid: int | None) -> None:
        super().open(redis_url, database_url, postgres_pid=postgres_pid)
        self.database.execute(MANAGED, [self._full_interval, self._full_interval, SNAPSHOT])
        detected = self._one(catalog.DETECT)
        self.edition = Detection(*detected).edition
        producer: AbstractContextManager[StreamProducer] = StreamProducer(self.redis, name="proof")
        self._producer = self._open.enter_context(producer)
        self._manager = SnapshotManager(
            self.redis,
            name=SNAPSHOT,
            full_snapshot_interval=self._full_interval.total_seconds(),
            clock=lambda: self._market_seconds,
        )
        self._reader = SnapshotReader(self.redis, SNAPSHOT)

    def close(self) -> None:
        self._open.close()
        super().close()

    def enforce(self) -> None:
        """From now on policies act: TimescaleDB's jobs by themselves, the rest by worker and beat."""
        self.stack.manage("timescale", "apply", allowed=(0, 1))
        self.stack.start(*PARTS)

    def left_to_bound(self) -> int:
        """Chunks overdue for being dropped or compressed; where beat drops, 1 while overdue rows are there."""
        if self.edition is Edition.COMMUNITY:
            return int(self._ask(WAITING_CHUNKS, [KEPT + DROPPED_WITHIN, COMPRESSED_AFTER + COMPRESSED_WITHIN]))
        whole = CHUNK if self.edition is Edition.APACHE else timedelta(0)
        return int(self._ask(OLD_ROWS, [KEPT + whole + BEAT_WITHIN]))

    def jobs_ended(self) -> bool:
        """Whether TimescaleDB's workers have run each job of the scans, with whatever success."""
        return all(ended for _, ended, _ in self.database.execute(JOBS))

    def run_jobs(self) -> str:
        """By hand, as the console's button does. Why TimescaleDB's workers had not done it."""
        jobs = self.database.execute(JOBS).fetchall()
        for job_id, _, _ in jobs:
            self.database.execute(f"CALL run_job({int(job_id)})")
        return "; ".join({error for _, _, error in jobs if error}) or "no error is recorded"

    # --- what the services do ----------------------------------------------------------------------------------------
    def write_snapshot(self, records: Records, *, at: datetime) -> None:
        self._market_seconds = at.timestamp()
        result = self._manager.save_snapshot(records)
        full = result["type"] == "full"
        (self.seen.full_bytes if full else self.seen.delta_bytes).append(result["compressed_size" if full else "size"])

    def write_entries(self, work: Work) -> None:
        for stream, entries in work.entries.items():
            if stream == CARELESS:
                pipe = self.redis.pipeline(transaction=False)
                for fields in entries:
                    pipe.xadd(stream, fields)
                pipe.execute()
            else:
                self._producer.xadd_many(stream, entries)

    def write_rows(self, rows: list[tuple[Any, ...]]) -> None:
        copy_rows(self.database, SCANS, rows)

    def follow(self) -> None:
        self._reader.refresh()

    def state(self) -> Records:
        return self._reader.state()

    # --- what is measured of it --------------------------------------------------------------------------------------
    def table_bytes(self) -> int:
        if self.edition is Edition.NONE:
            return int(self._one("SELECT pg_total_relation_size('scan_results')")[0])
        return int(self._one("SELECT hypertable_size('scan_results')")[0])

    def within(self, bounds: dict[str, int]) -> bool:
        """Whether no stream is longer than its bound."""
        return all(int(self.redis.xlen(stream)) <= bound for stream, bound in bounds.items())

    def finish(self) -> None:
        super().finish()
        for child in self.stack.children:
            self.seen.processes[child.name] = meters.memory_bytes(child.process.pid)
            self.seen.process_seconds[child.name] = meters.cpu_seconds(child.process.pid)

    def take_over(self, redis_url: str) -> None:
        """What a worker does on its first day at a Redis that nobody bounded: every limit, enforced once."""
        self.stack.manage("streams", "trim", "--all", allowed=(0, 1), REDIS_URL=redis_url)

    def versions(self) -> dict[str, str]:
        """Of the servers, by name; TimescaleDB's with its edition, where it is there."""
        server: Any = self.redis.info("server")
        redis_version = server.get("valkey_version")
        found = {
            "Valkey" if redis_version else "Redis": redis_version or server["redis_version"],
            "PostgreSQL": str(self.database.info.parameter_status("server_version")).split()[0],
        }
        if self.edition is not Edition.NONE:
            query = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
            found["TimescaleDB"] = f"{self._one(query)[0]}, {self.edition}"
        return found

    def _ask(self, query: str, values: list[Any]) -> Any:
        row = self.database.execute(query, values).fetchone()
        assert row is not None
        return row[0]


class MakeAfter(Protocol):
    def __call__(self, stack: Stack, *, full_snapshot_interval: timedelta) -> After: ...

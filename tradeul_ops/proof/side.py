"""One side of the proof: its servers, its writers, its readers, and what was seen of them. Judges nothing.

What both sides share is here: consumer groups, samples, what CPU their writing and reading took of this process.
"""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
import redis

from tradeul_ops.connections import client
from tradeul_ops.demo.groups import Consumer
from tradeul_ops.demo.payloads import RATES
from tradeul_ops.proof import meters
from tradeul_ops.proof.source import Work
from tradeul_ops.proof.writers import Records

GROUPS = {"snapshots:raw": "scanner", "tickers:filtered": "pricing"}
TAKEN = 1_000  # entries a read
SAVED_EVERY = 60  # ticks: five minutes, as a server saves by itself that changes more than a hundred keys
ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Sample:
    """At a second of market time; bytes. `table_bytes` None: not looked at in this tick."""

    at: float
    used_memory: int
    rss: int
    entries: int
    table_bytes: int | None


@dataclass
class Seen:
    """What was measured of a side. Bytes, seconds of CPU; None is unknown."""

    samples: list[Sample] = field(default_factory=list)
    lengths: dict[str, int] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    never_delivered: int = 0
    full_bytes: list[int] = field(default_factory=list)
    delta_bytes: list[int] = field(default_factory=list)
    stale: int = 0
    compared: int = 0
    redis: meters.RedisReading | None = None
    table_bytes: int | None = None
    database_bytes: int | None = None
    rows: int | None = None
    oldest: datetime | None = None
    postgres_seconds: float | None = None
    postgres_bytes: int | None = None
    processes: dict[str, int] = field(default_factory=dict)
    process_seconds: dict[str, float] = field(default_factory=dict)
    client_seconds: dict[str, float] = field(default_factory=dict)


class Side(ABC):
    """`open` after the servers run; `tick` for each piece of work; `settle` and `finish` at the end."""

    name: str

    def __init__(self) -> None:
        self.seen = Seen()
        self._delivered = dict.fromkeys(GROUPS, 0)

    def open(self, redis_url: str, database_url: str, *, postgres_pid: int | None) -> None:
        self.redis_url, self.database_url, self._postgres_pid = redis_url, database_url, postgres_pid
        self.redis = client(redis_url, socket_timeout=ANSWER_SECONDS)
        self.database: psycopg.Connection[Any] = psycopg.connect(database_url, autocommit=True)
        self._consumers = [Consumer(self.redis, stream, group, batch=TAKEN) for stream, group in GROUPS.items()]

    def close(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            self.redis.close()

    # --- what each side does in its own way --------------------------------------------------------------------------
    @abstractmethod
    def write_snapshot(self, records: Records, *, at: datetime) -> None: ...

    @abstractmethod
    def write_entries(self, work: Work) -> None: ...

    @abstractmethod
    def write_rows(self, rows: list[tuple[Any, ...]]) -> None: ...

    @abstractmethod
    def follow(self) -> None:
        """What a gateway does every five seconds: it gets hold of the newest snapshot."""

    @abstractmethod
    def state(self) -> Records:
        """What a consumer has after `follow`."""

    @abstractmethod
    def table_bytes(self) -> int: ...

    # --- a tick ------------------------------------------------------------------------------------------------------
    def begin(self) -> None:
        """Counters start here: what was loaded before is not the market's."""
        self._redis_before = meters.read_redis(self.redis)
        self._postgres_before = self.postgres_cpu()

    def tick(self, work: Work, *, began: datetime) -> None:
        self._timed("snapshot, written", lambda: self.write_snapshot(work.records, at=work.at))
        self._timed("entries, written", lambda: self.write_entries(work))
        self._timed("rows, written", lambda: self.write_rows(work.rows))
        self._timed("snapshot, read", self.follow)
        self._timed("entries, read", self.consume)
        self.seen.sent += sum(map(len, work.entries.values()))
        if work.number % SAVED_EVERY == SAVED_EVERY // 2:
            with contextlib.suppress(redis.ResponseError):  # it is saving already
                self.redis.bgsave()
        self.sample((work.at - began).total_seconds(), tables=work.number % 10 == 0)

    def consume(self) -> None:
        for consumer in self._consumers:
            while taken := consumer.work(time.monotonic()):
                self._delivered[consumer.stream] += taken

    def sample(self, at: float, *, tables: bool) -> None:
        memory: Any = self.redis.info("memory")
        pipe = self.redis.pipeline(transaction=False)
        for stream in RATES:
            pipe.xlen(stream)
        entries = sum(pipe.execute())
        size = self.table_bytes() if tables else None
        used, rss = int(memory["used_memory"]), int(memory["used_memory_rss"])
        self.seen.samples.append(Sample(at, used, rss, entries, size))

    def compare(self, records: Records) -> None:
        """Counts what the consumer has otherwise than the source; a ticker too many counts as well."""
        has = self.state()
        differ = sum(has.get(symbol) != record for symbol, record in records.items())
        self.seen.stale = max(self.seen.stale, differ + len(has.keys() - records.keys()))
        self.seen.compared += 1

    # --- the end -----------------------------------------------------------------------------------------------------
    def finish(self) -> None:
        """Reads what is left to read, and measures."""
        for _ in range(3):  # a consumer's first read of a group may find its own old entries only
            self.consume()
        seen = self.seen
        seen.redis = meters.read_redis(self.redis).since(self._redis_before)
        for stream in RATES:
            info: Any = self.redis.xinfo_stream(stream)
            seen.lengths[stream], seen.added[stream] = int(info["length"]), int(info["entries-added"])
        seen.never_delivered = sum(seen.added[stream] - self._delivered[stream] for stream in GROUPS)
        after = self.postgres_cpu()
        if after is not None and self._postgres_before is not None:
            seen.postgres_seconds = after - self._postgres_before
        if self._postgres_pid is not None:
            seen.postgres_bytes = meters.memory_bytes(self._postgres_pid)
        seen.table_bytes = self.table_bytes()
        seen.rows, seen.oldest = self._one("SELECT count(*), min(time) FROM scan_results")
        [seen.database_bytes] = self._one("SELECT pg_database_size(current_database())")

    def count_old(self, kept: timedelta) -> int:
        """Rows that are older than they should be kept, and an hour: a chunk goes when all of it is."""
        query = "SELECT count(*) FROM scan_results WHERE time < now() - %s::interval - interval '1 hour'"
        row = self.database.execute(query, [kept]).fetchone()
        return int(row[0]) if row else 0

    def _one(self, query: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self.database.execute(query).fetchone()
        assert row is not None
        return row

    def postgres_cpu(self) -> float | None:
        """Seconds, of the server and all its sessions; None where it is not our process."""
        return None if self._postgres_pid is None else meters.cpu_seconds(self._postgres_pid)

    def _timed(self, what: str, work: Callable[[], None]) -> None:
        began = time.process_time()
        work()
        spent = self.seen.client_seconds
        spent[what] = spent.get(what, 0.0) + time.process_time() - began

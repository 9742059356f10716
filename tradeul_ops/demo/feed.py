"""Writes what the platform's services write, in their rhythm, into Redis and PostgreSQL. Bounds nothing itself.

Either server may be away, restarted empty or out of memory: the market goes on, and what fell due meanwhile is dropped.
"""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import django.db
import redis
from redis.exceptions import RedisClusterException

from streams.producer import StreamProducer
from timescale.ingest import IngestError
from tradeul_ops.demo import tables
from tradeul_ops.demo.groups import Consumer
from tradeul_ops.demo.market import TICK, Market
from tradeul_ops.demo.payloads import RATES, Fields, Payloads
from tradeul_ops.demo.universe import DAYS, Security

SNAPSHOT = "snapshot:enriched:latest"
SNAPSHOT_KEPT_SECONDS = 3_600
CARELESS = "stream:realtime:aggregates"  # written as by a service that never heard of limits

STEP_SECONDS = 0.1
RETRY_SECONDS = 1.0
SAID_EVERY = 6  # ticks: a line every half minute
SLOTS_EVERY = 12
HSET_CHUNK = 500

logger = logging.getLogger(__name__)


@dataclass
class Link:
    """One server. Once it failed it is tried again each second, and only the first failure makes a line."""

    name: str
    errors: tuple[type[Exception], ...]
    down: bool = False
    _again_at: float = field(default=-math.inf, init=False)

    def attempt(self, work: Callable[[], None], *, now: float) -> Exception | None:
        """What went wrong, if it was tried now and something did."""
        if now < self._again_at:
            return None
        try:
            work()
        except self.errors as error:
            self._again_at = now + RETRY_SECONDS
            if not self.down:
                self.down = True
                logger.warning("%s: %s (the market goes on; trying again every second)", self.name, _one_line(error))
            return error
        if self.down:
            logger.info("%s takes writes again", self.name)
        self.down = False
        return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class Feed:
    """`step` does what is due at a monotonic `now`; `run` calls it ten times a second until told to stop."""

    def __init__(
        self,
        market: Market,
        securities: Sequence[Security],
        client: redis.Redis,
        producer: StreamProducer,
        *,
        speed: float = 1.0,
    ) -> None:
        self._market, self._client, self._producer = market, client, producer
        self._securities = securities
        self._payloads = Payloads(market)
        self._interval = TICK.total_seconds() / speed
        self._tick_at: float | None = None
        self._first_day = market.at.date()
        self._days_to_fill = list(range(1, DAYS + 1))
        self._consumers = (
            Consumer(client, "snapshots:raw", "scanner", batch=100),
            Consumer(client, "tickers:filtered", "pricing", batch=1, period=0.5),  # 2 a second of 30
        )
        self._whole = True  # the snapshot in Redis is not known to be ours: write all of it
        self._unwritten: dict[str, bytes] = {}
        self._entries: dict[str, list[Fields]] = {stream: [] for stream in RATES}
        self._rows: list[tuple[object, ...]] = []
        self._slots_due = False
        self._said = {"changed": 0, "entries": 0, "rows": 0}
        self._redis = Link("Redis", (redis.RedisError, RedisClusterException, OSError))
        self._postgres = Link("PostgreSQL", (django.db.Error, IngestError))

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.step(time.monotonic())
            stop.wait(STEP_SECONDS)

    def step(self, now: float) -> None:
        if self._tick_at is None or now >= self._tick_at + self._interval:
            self._next_tick(now)
        error = self._redis.attempt(lambda: self._talk_to_redis(now), now=now)
        if error is not None and not isinstance(error, redis.ResponseError):
            self._whole = True  # it may come back with what it last saved; one that only refuses holds what it held
        self._postgres.attempt(self._talk_to_postgres, now=now)
        if self._postgres.down:
            django.db.connection.close()  # outside a request nobody else does, and it would stay broken

    def _next_tick(self, now: float) -> None:
        if self._tick_at is None:
            self._tick_at = now
        else:
            passed = max(1, int((now - self._tick_at) / self._interval))
            if passed > 1:  # the process was held up: time went on without it
                self._market.skip(passed - 1)
            self._tick_at += passed * self._interval
        tick = self._market.tick()
        self._unwritten |= tick.changed
        left = self._entries if not self._redis.down else {}
        self._entries = {stream: left.get(stream, []) + new for stream, new in self._payloads.entries(tick).items()}
        self._rows = self._payloads.scan_rows(tick)
        self._slots_due = self._slots_due or tick.number % SLOTS_EVERY == 1
        self._said["changed"] += len(tick.changed)
        if tick.number % SAID_EVERY == 0:
            logger.info(
                "tick %d, %s: %d tickers changed, %d entries and %d rows written since the last line",
                *(tick.number, tick.regime.name, *self._said.values()),
            )
            self._said = dict.fromkeys(self._said, 0)

    # --- Redis -------------------------------------------------------------------------------------------------------
    def _talk_to_redis(self, now: float) -> None:
        """Reading first: it needs no memory, and it is what lets a full server be trimmed."""
        for consumer in self._consumers:
            consumer.work(now)
        self._write_snapshot()
        self._send_entries(now)

    def _write_snapshot(self) -> None:
        if not self._whole and not self._unwritten:
            return
        records: dict[Any, Any] = {**self._market.records} if self._whole else {**self._unwritten}
        # A whole snapshot appears at once or not at all; tickers of an earlier, larger market are gone with it.
        with self._client.pipeline(transaction=self._whole) as pipeline:
            if self._whole:
                pipeline.delete(SNAPSHOT)
            symbols = iter(records.items())
            while some := dict(itertools.islice(symbols, HSET_CHUNK)):
                pipeline.hset(SNAPSHOT, mapping=some)
            pipeline.expire(SNAPSHOT, SNAPSHOT_KEPT_SECONDS)
            pipeline.hlen(SNAPSHOT)
            *_, length = pipeline.execute()
        self._unwritten = {}
        self._whole = length != len(self._market.records)  # flushed or restarted empty since the last tick

    def _send_entries(self, now: float) -> None:
        """As many as the time since the tick allows, so that a stream grows evenly and not in one burst a tick."""
        assert self._tick_at is not None
        left = max(0.0, 1 - (now + STEP_SECONDS - self._tick_at) / self._interval)
        for stream, rate in RATES.items():
            waiting = self._entries[stream]
            due = len(waiting) - math.floor(left * rate * TICK.total_seconds())
            if due <= 0:
                continue
            some, self._entries[stream] = waiting[:due], waiting[due:]
            if stream == CARELESS:
                for fields in some:
                    self._client.xadd(stream, fields)
            else:
                self._producer.xadd_many(stream, some)
            self._said["entries"] += due

    # --- PostgreSQL --------------------------------------------------------------------------------------------------
    def _talk_to_postgres(self) -> None:
        if self._rows:
            tables.copy_scan_results(self._rows)
            self._wrote(len(self._rows))
            self._rows = []
        if self._slots_due:
            self._wrote(tables.upsert_volume_slots(self._market, at=self._market.at))
            self._slots_due = False
        if self._days_to_fill:  # one a step: a day of 7,000 rows takes half a second
            day = self._days_to_fill[0]
            self._wrote(tables.fill_day(self._securities, days_before=day, today=self._first_day))
            del self._days_to_fill[0]

    def _wrote(self, rows: int) -> None:
        self._said["rows"] += rows

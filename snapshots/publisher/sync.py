"""The publisher and the reader for services that block. Their twins for asyncio are in aio.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import redis
from redis.cluster import RedisCluster

from snapshots.engine.build import Build
from snapshots.engine.cells import Record
from snapshots.engine.chain import Published
from snapshots.engine.errors import SnapshotError
from snapshots.engine.names import keys_of
from snapshots.engine.state import to_records
from snapshots.publisher import _read, _write
from snapshots.publisher._author import DEFAULT_NAME, author_of
from snapshots.publisher._connect import bytes_client
from snapshots.publisher._read import Followed, Lag, Trace
from snapshots.publisher._write import Terms
from snapshots.publisher.errors import ChainMoved, NothingPublished, StoreError, redis_errors

T = TypeVar("T")


def write(client: redis.Redis, *, build: Build, terms: Terms) -> None:
    """Returns once the document is in Redis. Raises a StoreError; then it may or may not be."""
    name = build.published.name
    cluster = isinstance(client, RedisCluster)
    call = _write.call_of(build, terms=terms, cluster=cluster)
    execute: Any = client.execute_command
    with redis_errors(name):
        try:
            reply: Any = execute("EVALSHA", _write.SHA, *call.words)
        except redis.exceptions.NoScriptError:
            reply = execute("EVAL", _write.SCRIPT, *call.words)
        _write.check_reply(reply, name=name)
        if cluster:
            for key, document, ttl_ms in _write.alias_sets(build, terms=terms):
                client.set(key, document, px=ttl_ms)


def run(client: redis.Redis, *, steps: Generator[tuple[Any, ...], Any, T], name: str) -> T:
    """Sends what `steps` yields, and returns what it returns. Raises a StoreError, or what `steps` raises."""
    reply: Any = None
    execute: Any = client.execute_command
    with redis_errors(name):
        while True:
            try:
                command = steps.send(reply)
            except StopIteration as done:
                value: T = done.value
                return value
            reply = execute(*command)


def catch_up(client: redis.Redis, *, name: str, at: Published | None, trace: Trace | None = None) -> Published:
    """The newest published state. Raises a StoreError or ChainBroken."""
    return run(client, steps=_read.catch_up(name, at, trace=trace), name=name)


def read_head(client: redis.Redis, *, name: str) -> _read.Head:
    """Raises NothingPublished or another StoreError."""
    with redis_errors(name):
        fields: Any = client.hgetall(keys_of(name).head)
    return _read.head_of(fields, name=name)


class SnapshotManager:
    """Publishes one snapshot: a full now and then, and between them what changed. See README.md."""

    def __init__(
        self,
        redis_client: redis.Redis,
        *,
        name: str = DEFAULT_NAME,
        full_snapshot_interval: float = 300,
        delta_compression_threshold: int = 100,
        min_price_change_percent: float | None = None,
        min_rvol_change_percent: float | None = None,
        writer: str | None = None,
        lease_seconds: float = 15,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._author = author_of(
            name=name,
            full_snapshot_interval=full_snapshot_interval,
            delta_compression_threshold=delta_compression_threshold,
            min_price_change_percent=min_price_change_percent,
            min_rvol_change_percent=min_rvol_change_percent,
            writer=writer,
            lease_seconds=lease_seconds,
            clock=clock,
        )
        self._client, self._is_own = bytes_client(redis_client, asynchronous=False)

    def save_snapshot(self, snapshot: Mapping[str, Record], force_full: bool = False) -> dict[str, Any]:
        """Publishes `snapshot` (symbol → record). Raises Unpublishable, or a StoreError and then a full is next.

        `type`, `ticker_count`, and of a full `original_size` (as JSON), `compressed_size` (in Redis) and
        `compression_ratio` (percent saved); of a delta `size` (in Redis), `compressed`, `bytes_saved` and `skipped`:
        nothing was to be said, and the delta only shows that the writer is alive.
        """
        author = self._author
        run(self._client, steps=author.before_a_save(), name=author.name)
        for last in (False, True):
            build = author.build(snapshot, force_full=force_full)
            try:
                write(self._client, build=build, terms=author.terms)
            except StoreError as error:
                author.failed(error)
                if last or not isinstance(error, ChainMoved):
                    raise
            else:
                break
        return author.confirm(build, snapshot)

    def get_latest_snapshot(self) -> dict[str, dict[str, Any]] | None:
        """Symbol → record, as published last, whoever did; None if nothing is. Raises a StoreError or ChainBroken."""
        try:
            return to_records(catch_up(self._client, name=self._author.name, at=None).state)
        except NothingPublished:
            return None

    def get_latest_delta(self) -> dict[str, Any] | None:
        """`added`, `updated` (each [{"symbol", "data"}]), `removed`, `unchanged_count`, `timestamp`, `sequence`.

        None where the newest document is a full, or there is none. Raises a StoreError or ChainBroken.
        """
        return run(self._client, steps=_read.latest_delta(self._author.name), name=self._author.name)

    def get_stats(self) -> dict[str, Any]:
        return self._author.stats()

    def close(self) -> None:
        """Closes a connection of its own; the one that it was given stays open."""
        if self._is_own:
            self._client.connection_pool.disconnect()


class SnapshotReader:
    """Rebuilds a published snapshot and follows it. Never returns a state that differs from the writer's."""

    def __init__(self, redis_client: redis.Redis, name: str = DEFAULT_NAME) -> None:
        keys_of(name)
        self._client, self._is_own = bytes_client(redis_client, asynchronous=False)
        self._name = name
        self._at: Published | None = None

    def refresh(self) -> bool:
        """Catches up; True if there was something new. Raises a StoreError or ChainBroken, and keeps what it has."""
        return self._step(Trace())

    def follow(self, *, poll_seconds: float = 1.0, stop: threading.Event | None = None) -> Iterator[Followed]:
        """Catches up for ever, or until `stop` is set, and yields whenever the state or what keeps it back changes.

        Raises nothing: what a refresh would raise is the step's `problem`, and it goes on trying.
        """
        stop = stop or threading.Event()
        problem = ""
        while not stop.is_set():
            trace = Trace()
            try:
                changed = self._step(trace)
                step = trace.step(self._at, changed=changed)
            except SnapshotError as error:
                step = trace.step(self._at, changed=False, problem=str(error))
            if step.changed or step.problem != problem:
                yield step
            problem = step.problem
            stop.wait(poll_seconds)

    def lag(self) -> Lag:
        """How far the state at hand is behind what is published. Raises a StoreError."""
        return _read.lag_of(self._at, head=read_head(self._client, name=self._name))

    def state(self) -> dict[str, dict[str, Any]]:
        """Symbol → record, as of the last refresh; the first call refreshes."""
        return to_records(self._published().state)

    @property
    def sequence(self) -> int:
        return self._published().sequence

    @property
    def published_at(self) -> datetime:
        return _read.time_of(self._published())

    def close(self) -> None:
        """Closes a connection of its own; the one that it was given stays open."""
        if self._is_own:
            self._client.connection_pool.disconnect()

    def _step(self, trace: Trace) -> bool:
        before, self._at = self._at, catch_up(self._client, name=self._name, at=self._at, trace=trace)
        return self._at is not before

    def _published(self) -> Published:
        if self._at is None:
            self.refresh()
        assert self._at is not None  # refresh raises otherwise
        return self._at

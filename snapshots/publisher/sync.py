"""The publisher and the reader for services that block. Their twins for asyncio are in aio.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import redis
from redis.cluster import RedisCluster

from snapshots.engine.build import Build
from snapshots.engine.cells import Record
from snapshots.engine.chain import Published
from snapshots.engine.names import keys_of
from snapshots.engine.state import to_records
from snapshots.publisher import _read, _write
from snapshots.publisher._author import author_of, check_client
from snapshots.publisher._write import Terms
from snapshots.publisher.errors import ChainMoved, NothingPublished, StoreError, redis_errors


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


def catch_up(client: redis.Redis, *, name: str, at: Published | None) -> Published:
    """The newest published state. Raises a StoreError or ChainBroken."""
    steps = _read.catch_up(name, at)
    reply: Any = None
    execute: Any = client.execute_command
    with redis_errors(name):
        while True:
            try:
                command = steps.send(reply)
            except StopIteration as done:
                newest: Published = done.value
                return newest
            reply = execute(*command)


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
        name: str = "latest",
        full_snapshot_interval: float = 300,
        delta_compression_threshold: int = 100,
        min_price_change_percent: float | None = None,
        min_rvol_change_percent: float | None = None,
        writer: str | None = None,
        lease_seconds: float = 15,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_client(redis_client)
        self._client = redis_client
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

    def save_snapshot(self, snapshot: Mapping[str, Record]) -> dict[str, Any]:
        """Publishes `snapshot` (symbol → record). Raises Unpublishable, or a StoreError and then a full is next."""
        author = self._author
        for last in (False, True):
            build = author.build(snapshot)
            try:
                write(self._client, build=build, terms=author.terms)
            except StoreError as error:
                author.failed(error)
                if last or not isinstance(error, ChainMoved):
                    raise
            else:
                break
        return author.confirm(build)

    def get_stats(self) -> dict[str, Any]:
        return self._author.stats()


class SnapshotReader:
    """Rebuilds a published snapshot and follows it. Never returns a state that differs from the writer's."""

    def __init__(self, redis_client: redis.Redis, name: str = "latest") -> None:
        check_client(redis_client)
        keys_of(name)
        self._client, self._name = redis_client, name
        self._at: Published | None = None

    def refresh(self) -> bool:
        """Catches up; True if there was something new. Raises a StoreError or ChainBroken, and keeps what it has."""
        before, self._at = self._at, catch_up(self._client, name=self._name, at=self._at)
        return self._at is not before

    def state(self) -> dict[str, dict[str, Any]]:
        """Symbol → record, as of the last refresh; the first call refreshes."""
        return to_records(self._published().state)

    @property
    def sequence(self) -> int:
        return self._published().sequence

    @property
    def published_at(self) -> datetime:
        return datetime.fromtimestamp(self._published().ts / 1000, tz=UTC)

    def _published(self) -> Published:
        if self._at is None:
            self.refresh()
        if self._at is None:
            raise NothingPublished(f"snapshot {self._name}: nothing is published.")
        return self._at

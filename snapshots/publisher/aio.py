"""The publisher and the reader for asyncio. Their twins for services that block are in sync.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import redis
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from snapshots.engine.build import Build
from snapshots.engine.cells import Record
from snapshots.engine.chain import Published
from snapshots.engine.names import keys_of
from snapshots.engine.state import to_records
from snapshots.publisher import _read, _write
from snapshots.publisher._author import author_of, check_client
from snapshots.publisher._write import Terms
from snapshots.publisher.errors import ChainMoved, StoreError, redis_errors


async def write(client: Redis, *, build: Build, terms: Terms) -> None:
    """Returns once the document is in Redis. Raises a StoreError; then it may or may not be."""
    name = build.published.name
    cluster = isinstance(client, RedisCluster)
    call = _write.call_of(build, terms=terms, cluster=cluster)
    execute: Any = client.execute_command
    with redis_errors(name):
        try:
            reply: Any = await execute("EVALSHA", _write.SHA, *call.words)
        except redis.exceptions.NoScriptError:
            reply = await execute("EVAL", _write.SCRIPT, *call.words)
        _write.check_reply(reply, name=name)
        if cluster:
            for key, document, ttl_ms in _write.alias_sets(build, terms=terms):
                await client.set(key, document, px=ttl_ms)


class SnapshotManager:
    """Publishes one snapshot: a full now and then, and between them what changed. See README.md."""

    def __init__(
        self,
        redis_client: Redis,
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
        self._one_at_a_time = asyncio.Lock()
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

    async def save_snapshot(self, snapshot: Mapping[str, Record]) -> dict[str, Any]:
        """Publishes `snapshot` (symbol → record). Raises Unpublishable, or a StoreError and then a full is next.

        The work is done in a thread, so that the loop goes on: leave `snapshot` as it is until this returns.
        """
        author = self._author
        async with self._one_at_a_time:
            for last in (False, True):
                build = await asyncio.to_thread(author.build, snapshot)
                try:
                    await write(self._client, build=build, terms=author.terms)
                except asyncio.CancelledError:
                    author.failed(StoreError("the last write was cancelled"))
                    raise
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

    def __init__(self, redis_client: Redis, name: str = "latest") -> None:
        check_client(redis_client)
        keys_of(name)
        self._client, self._name = redis_client, name
        self._at: Published | None = None

    async def refresh(self) -> bool:
        """Catches up; True if there was something new. Raises a StoreError or ChainBroken, and keeps what it has."""
        steps = _read.catch_up(self._name, self._at)
        reply: Any = None
        execute: Any = self._client.execute_command
        with redis_errors(self._name):
            while True:
                try:
                    command = await asyncio.to_thread(_send, steps, reply)
                except _Done as done:
                    changed, self._at = done.newest is not self._at, done.newest
                    return changed
                reply = await execute(*command)

    async def state(self) -> dict[str, dict[str, Any]]:
        """Symbol → record, as of the last refresh; the first call refreshes."""
        return await asyncio.to_thread(to_records, (await self._published()).state)

    async def sequence(self) -> int:
        return (await self._published()).sequence

    async def published_at(self) -> datetime:
        return datetime.fromtimestamp((await self._published()).ts / 1000, tz=UTC)

    async def _published(self) -> Published:
        if self._at is None:
            await self.refresh()
        assert self._at is not None  # refresh raises otherwise
        return self._at


class _Done(Exception):
    """A generator's return: StopIteration itself cannot leave a coroutine."""

    def __init__(self, newest: Published) -> None:
        self.newest = newest


def _send(steps: Any, reply: Any) -> _read.Command:
    try:
        command: _read.Command = steps.send(reply)
    except StopIteration as done:
        raise _Done(done.value) from None
    return command

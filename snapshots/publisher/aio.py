"""The publisher and the reader for asyncio. Their twins for services that block are in sync.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import redis
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

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
        name: str = DEFAULT_NAME,
        full_snapshot_interval: float = 300,
        delta_compression_threshold: int = 100,
        min_price_change_percent: float | None = None,
        min_rvol_change_percent: float | None = None,
        writer: str | None = None,
        lease_seconds: float = 15,
        clock: Callable[[], float] = time.time,
    ) -> None:
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
        self._client, self._is_own = bytes_client(redis_client, asynchronous=True)

    async def save_snapshot(self, snapshot: Mapping[str, Record], force_full: bool = False) -> dict[str, Any]:
        """Publishes `snapshot` (symbol → record). Raises Unpublishable, or a StoreError and then a full is next.

        Returns what its twin in sync.py does. The work is done in a thread, so that the loop goes on: leave `snapshot`
        as it is until this returns.
        """
        author = self._author
        async with self._one_at_a_time:
            await run(self._client, steps=author.before_a_save(), name=author.name)
            for last in (False, True):
                build = await asyncio.to_thread(author.build, snapshot, force_full=force_full)
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
            return author.confirm(build, snapshot)

    async def get_latest_snapshot(self) -> dict[str, dict[str, Any]] | None:
        """Symbol → record, as published last, whoever did; None if nothing is. Raises a StoreError or ChainBroken."""
        name = self._author.name
        try:
            newest = await run(self._client, steps=_read.catch_up(name, None), name=name)
        except NothingPublished:
            return None
        return await asyncio.to_thread(to_records, newest.state)

    async def get_latest_delta(self) -> dict[str, Any] | None:
        """As its twin in sync.py."""
        return await run(self._client, steps=_read.latest_delta(self._author.name), name=self._author.name)

    def get_stats(self) -> dict[str, Any]:
        return self._author.stats()

    async def aclose(self) -> None:
        """Closes a connection of its own; the one that it was given stays open."""
        if self._is_own:
            await self._client.connection_pool.disconnect()


class SnapshotReader:
    """Rebuilds a published snapshot and follows it. Never returns a state that differs from the writer's."""

    def __init__(self, redis_client: Redis, name: str = DEFAULT_NAME) -> None:
        keys_of(name)
        self._client, self._is_own = bytes_client(redis_client, asynchronous=True)
        self._name = name
        self._at: Published | None = None

    async def refresh(self) -> bool:
        """Catches up; True if there was something new. Raises a StoreError or ChainBroken, and keeps what it has."""
        return await self._step(Trace())

    async def follow(self, *, poll_seconds: float = 1.0) -> AsyncIterator[Followed]:
        """As its twin in sync.py; it ends when the task is cancelled or the loop over it is left."""
        problem = ""
        while True:
            trace = Trace()
            try:
                changed = await self._step(trace)
                step = trace.step(self._at, changed=changed)
            except SnapshotError as error:
                step = trace.step(self._at, changed=False, problem=str(error))
            if step.changed or step.problem != problem:
                yield step
            problem = step.problem
            await asyncio.sleep(poll_seconds)

    async def lag(self) -> Lag:
        """How far the state at hand is behind what is published. Raises a StoreError."""
        with redis_errors(self._name):
            fields: Any = await self._client.hgetall(keys_of(self._name).head)
        return _read.lag_of(self._at, head=_read.head_of(fields, name=self._name))

    async def state(self) -> dict[str, dict[str, Any]]:
        """Symbol → record, as of the last refresh; the first call refreshes."""
        return await asyncio.to_thread(to_records, (await self._published()).state)

    async def sequence(self) -> int:
        return (await self._published()).sequence

    async def published_at(self) -> datetime:
        return _read.time_of(await self._published())

    async def aclose(self) -> None:
        """Closes a connection of its own; the one that it was given stays open."""
        if self._is_own:
            await self._client.connection_pool.disconnect()

    async def _step(self, trace: Trace) -> bool:
        steps = _read.catch_up(self._name, self._at, trace=trace)
        before, self._at = self._at, await run(self._client, steps=steps, name=self._name)
        return self._at is not before

    async def _published(self) -> Published:
        if self._at is None:
            await self.refresh()
        assert self._at is not None  # refresh raises otherwise
        return self._at


async def run(client: Any, *, steps: Generator[tuple[Any, ...], Any, T], name: str) -> T:
    """Sends what `steps` yields, and returns what it returns; between replies `steps` works in a thread."""
    reply: Any = None
    with redis_errors(name):
        while True:
            command, done = await asyncio.to_thread(_send, steps, reply)
            if command is None:
                value: T = done
                return value
            reply = await client.execute_command(*command)


def _send(steps: Generator[tuple[Any, ...], Any, T], reply: Any) -> tuple[tuple[Any, ...] | None, Any]:
    """The next command, or None and what the generator returned: StopIteration itself cannot leave a coroutine."""
    try:
        return steps.send(reply), None
    except StopIteration as done:
        return None, done.value

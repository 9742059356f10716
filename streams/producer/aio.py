"""RedisStreamManager: adds entries under the console's limits, from asyncio. The integration guide's interface.

Trims in the background only where nobody else does: see `trim`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from streams.engine.defaults import GUIDE_LIMITS
from streams.engine.producers import PRODUCERS_KEY
from streams.engine.rules import Rule
from streams.engine.wire import CHANNEL, KNOWN_KEY, LIMITS_KEY
from streams.producer._book import Book, ProducerStats, StreamInfo
from streams.producer._connect import (
    ERRORS,
    STOPS_WITHIN_SECONDS,
    is_async,
    own_connection,
    reload_after,
    tell_after,
    unwrapped,
)
from streams.producer._trim import TrimTasks
from streams.producer._xadd import NO_LIMIT, Fields, Stream, command, tightened

logger = logging.getLogger(__name__)


class RedisStreamManager:
    """`client`: a redis.asyncio client, or an object that has one as `.client`.

    The options are those of its synchronous twin, client.StreamProducer.
    """

    def __init__(
        self,
        client: Any,
        *,
        name: str = "",
        trim: bool | None = None,
        defaults: Mapping[str, Rule] = GUIDE_LIMITS,
        unmatched_maxlen: int | None = None,
    ) -> None:
        self._client: Any = unwrapped(client, kinds=(is_async,))
        self._book = Book(name=name, defaults=defaults, unmatched_maxlen=unmatched_maxlen)
        self._slots = self._book.slots
        self._trim = trim
        self._trims = TrimTasks()
        self._keeper: _Keeper | None = None

    async def start(self) -> None:
        """Reads the limits, and keeps them from then on. If Redis is away the defaults hold until it is back."""
        if self._keeper is None:
            self._keeper = _Keeper(self._client, self._book, self._arrange_trims)
            await self._keeper.start()
            self._book.started = True

    async def stop(self) -> None:
        """Ends the background work and takes this producer off the console's list. `xadd` goes on as it was."""
        if self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            await self._trims.stop()
            await keeper.stop()

    def xadd(
        self, stream: Stream, data: Fields, maxlen: int | None = None, *, id: str | bytes = b"*", pipeline: Any = None
    ) -> Awaitable[Any]:
        """To be awaited: the id of the new entry, as the client answers it: bytes, unless it was told to decode.

        `maxlen` only tightens the limit in force. With `pipeline` the command is added to it at once, and the answer,
        awaited or not, is that pipeline. No coroutine of its own: it costs no more than the client's own xadd.
        """
        slot = self._slots[stream]
        if maxlen is not None:
            options = tightened(stream, slot, maxlen)
        elif pipeline is None or slot.adds % slot.carries == 0:
            options = slot.options
        else:
            options = NO_LIMIT
        words = command(stream, slot, data, options, id)
        if pipeline is None:
            sent: Awaitable[Any] = self._client.execute_command(*words)
            return sent
        answer = pipeline.execute_command(*words)
        return _Added(pipeline) if answer is pipeline else answer  # after WATCH a coroutine: it is sent at once

    def get_stats(self) -> ProducerStats:
        """Of this process. Trims and their bytes (estimated) are 0 where the console trims; it counts them there."""
        return self._book.stats(is_running=self._keeper is not None, trims=self._trims)

    async def get_all_streams_info(self) -> list[StreamInfo]:
        """Every stream that a limit names or matched here: its name, length, maxlen and the percentage in use."""
        limits = self._book.limits()
        pipe = self._client.pipeline(transaction=False)
        for stream in limits:
            pipe.xlen(stream)
        return self._book.infos(limits, await pipe.execute(raise_on_error=False) if limits else ())

    @property
    def version(self) -> int | None:
        """The revision of the limits in force; None before any were published."""
        return self._book.version

    def _arrange_trims(self) -> None:
        self._trims.arrange(self._client, self._book.trimmed_here(trim=self._trim))


class _Added:
    """Awaited, it is the pipeline. Awaiting that itself would empty it: a cluster's pipeline starts anew by it."""

    __slots__ = ("_pipeline",)

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    def __await__(self) -> Generator[None, None, Any]:
        return self._pipeline
        yield


class _Keeper:
    """Reloads every second and a half, which is the truth, and at every word on the channel; see client._Keeper."""

    def __init__(self, client: Any, book: Book, reloaded: Callable[[], None]) -> None:
        self._book = book
        self._reloaded = reloaded
        self._client, self._close = _apart_from(client)
        self._task: asyncio.Task[None] | None = None
        self._ended = self._away = False

    async def start(self) -> None:
        await self._reload()
        self._task = asyncio.create_task(self._keep(), name=f"limits of {self._book.name}")

    async def stop(self) -> None:
        self._ended = True  # not cancelled: redis-py swallows a cancellation that arrives while it connects
        if self._task is not None:
            await self._task
        with contextlib.suppress(*ERRORS):  # else the console forgets it within a minute
            await self._client.hdel(PRODUCERS_KEY, self._book.id)
        if self._close:
            await self._client.aclose()

    async def _keep(self) -> None:
        heard = self._client.pubsub()
        clock = asyncio.get_running_loop().time
        while not self._ended:
            until = clock() + reload_after()
            while not self._ended and clock() < until:
                try:
                    if not heard.subscribed:
                        await heard.subscribe(CHANNEL)
                    if await heard.get_message(timeout=max(0.0, min(STOPS_WITHIN_SECONDS, until - clock()))):
                        await self._reload(tell=False)
                        until = min(until, clock() + tell_after())
                except ERRORS:
                    await asyncio.sleep(STOPS_WITHIN_SECONDS)
            await self._reload()
        await heard.aclose()

    async def _reload(self, *, tell: bool = True) -> None:
        try:
            self._book.take(await self._client.hgetall(LIMITS_KEY))
            self._reloaded()
            if tell:
                await self._tell()
        except ERRORS as error:
            if not self._away:
                logger.warning("Keeping the limits last known (version %s): %s", self._book.version, error)
            self._away = True
        else:
            self._away = False

    async def _tell(self) -> None:
        """Refused at maxmemory; said again at the next reload."""
        untold, settling = self._book.untold(), self._book.settling()
        pipe = self._client.pipeline(transaction=False)
        for stream in settling:
            pipe.xlen(stream)
        pipe.hset(PRODUCERS_KEY, self._book.id, self._book.heartbeat(server_time=await self._client.time()))
        if untold:
            pipe.sadd(KNOWN_KEY, *untold)
        answers = await pipe.execute(raise_on_error=False)
        self._book.settle(settling, lengths=answers[: len(settling)])
        if not any(isinstance(answer, Exception) for answer in answers[len(settling) :]):
            self._book.told(untold)


def _apart_from(client: Any) -> tuple[Any, bool]:
    """A client of its own, and that it is; a cluster's or a sentinel's finds its nodes by itself and is shared."""
    pool: Any = getattr(client, "connection_pool", None)
    if type(pool) not in (redis.asyncio.ConnectionPool, redis.asyncio.BlockingConnectionPool):
        return client, False
    options = own_connection(pool.connection_kwargs)
    own = redis.asyncio.ConnectionPool(connection_class=pool.connection_class, retry=Retry(NoBackoff(), 1), **options)
    return redis.asyncio.Redis.from_pool(own), True

"""StreamProducer: adds entries under the console's limits, from synchronous code.

Trims in the background only where nobody else does: see `trim`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from types import TracebackType
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from streams.engine.defaults import GUIDE_LIMITS
from streams.engine.producers import PRODUCERS_KEY
from streams.engine.rules import Rule
from streams.engine.wire import CHANNEL, KNOWN_KEY, LIMITS_KEY
from streams.producer._book import Book, ProducerStats, StreamInfo
from streams.producer._connect import (
    ERRORS,
    STOPS_WITHIN_SECONDS,
    is_sync,
    own_connection,
    reload_after,
    tell_after,
    unwrapped,
)
from streams.producer._trim import TrimThread
from streams.producer._xadd import NO_LIMIT, Fields, Stream, batch_commands, command, tightened

BATCH = 100  # four times the entries a second of single calls; 1000 gains nothing more and takes ten times as long

logger = logging.getLogger(__name__)


class StreamProducer:
    """Start it once a process, after any fork; `xadd` may then be called from any thread.

    `client` is the service's own, or an object that has it as `.client`; limits are read over connections apart from
    it. `defaults` hold where no console has ever published limits; `unmatched_maxlen` bounds streams without a limit,
    None: nothing does. `trim`: None trims in the background where no console has published limits, True always, False
    never. Errors of redis-py pass through.
    """

    def __init__(
        self,
        client: redis.Redis | RedisCluster | Any,
        *,
        name: str = "",
        trim: bool | None = None,
        defaults: Mapping[str, Rule] = GUIDE_LIMITS,
        unmatched_maxlen: int | None = None,
    ) -> None:
        self._client: Any = unwrapped(client, kinds=(is_sync,))
        self._execute: Any = self._client.execute_command
        self._book = Book(name=name, defaults=defaults, unmatched_maxlen=unmatched_maxlen)
        self._slots = self._book.slots
        self._trim = trim
        self._trims = TrimThread()
        self._keeper: _Keeper | None = None

    def start(self) -> Self:
        """Reads the limits, and keeps them from then on. If Redis is away the defaults hold until it is back."""
        if self._keeper is None:
            self._keeper = _Keeper(self._client, self._book, self._arrange_trims)
            self._keeper.reload()
            self._keeper.start()
            self._book.started = True
        return self

    def stop(self) -> None:
        """Ends the background work and takes this producer off the console's list. `xadd` goes on as it was."""
        if self._keeper is not None:
            self._keeper.stop()
            self._keeper = None
            self._trims.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def xadd(
        self, stream: Stream, data: Fields, maxlen: int | None = None, *, id: str | bytes = b"*", pipeline: Any = None
    ) -> Any:
        """The id of the new entry, as the client answers it: bytes, unless it was told to decode.

        `maxlen` only tightens the limit in force. With `pipeline` the command is added to it, and it is returned.
        """
        slot = self._slots[stream]
        if maxlen is not None:
            options = tightened(stream, slot, maxlen)
        elif pipeline is None or slot.adds % slot.carries == 0:
            options = slot.options
        else:
            options = NO_LIMIT
        words = command(stream, slot, data, options, id)
        return self._execute(*words) if pipeline is None else pipeline.execute_command(*words)

    def xadd_many(self, stream: Stream, entries: Iterable[Fields]) -> list[Any]:
        """The ids, in order. Sent by the hundred; after an error, batches before it and part of its own are added."""
        slot, rest = self._slots[stream], iter(entries)
        ids: list[Any] = []
        while batch := list(islice(rest, BATCH)):
            pipe: Any = self._client.pipeline(transaction=False)
            for words in batch_commands(stream, slot, batch):
                pipe.execute_command(*words)
            ids += pipe.execute()
        return ids

    def get_stats(self) -> ProducerStats:
        """Of this process. Trims and their bytes (estimated) are 0 where the console trims; it counts them there."""
        return self._book.stats(is_running=self._keeper is not None, trims=self._trims)

    def get_all_streams_info(self) -> list[StreamInfo]:
        """Every stream that a limit names or matched here: its name, length, maxlen and the percentage in use."""
        limits = self._book.limits()
        pipe = self._client.pipeline(transaction=False)
        for stream in limits:
            pipe.xlen(stream)
        return self._book.infos(limits, pipe.execute(raise_on_error=False) if limits else ())

    @property
    def version(self) -> int | None:
        """The revision of the limits in force; None before any were published."""
        return self._book.version

    def _arrange_trims(self) -> None:
        self._trims.arrange(self._client, self._book.trimmed_here(trim=self._trim))


class _Keeper(threading.Thread):
    """Reloads every second and a half, which is the truth, and at every word on the channel, which is faster.

    redis-py renews a lost subscription in silence, and what was said in between is gone: so the confirmation of a
    subscription counts as word, too.
    """

    def __init__(self, client: Any, book: Book, reloaded: Callable[[], None]) -> None:
        super().__init__(name=f"limits of {book.name}", daemon=True)
        self._book = book
        self._reloaded = reloaded
        self._client, self._close = _apart_from(client)
        self._ended = threading.Event()
        self._away = False

    def run(self) -> None:
        heard = self._client.pubsub()
        while not self._ended.is_set():
            until = time.monotonic() + reload_after()
            while not self._ended.is_set() and time.monotonic() < until:
                try:
                    if not heard.subscribed:
                        heard.subscribe(CHANNEL)
                    if heard.get_message(timeout=max(0.0, min(STOPS_WITHIN_SECONDS, until - time.monotonic()))):
                        self.reload(tell=False)
                        until = min(until, time.monotonic() + tell_after())
                except ERRORS:
                    self._ended.wait(STOPS_WITHIN_SECONDS)
            self.reload()
        heard.close()

    def reload(self, *, tell: bool = True) -> None:
        try:
            self._book.take(self._client.hgetall(LIMITS_KEY))
            self._reloaded()
            if tell:
                self._tell()
        except ERRORS as error:
            if not self._away:
                logger.warning("Keeping the limits last known (version %s): %s", self._book.version, error)
            self._away = True
        else:
            self._away = False

    def _tell(self) -> None:
        """Refused at maxmemory; said again at the next reload."""
        untold, settling = self._book.untold(), self._book.settling()
        pipe = self._client.pipeline(transaction=False)
        for stream in settling:
            pipe.xlen(stream)
        pipe.hset(PRODUCERS_KEY, self._book.id, self._book.heartbeat(server_time=self._client.time()))
        if untold:
            pipe.sadd(KNOWN_KEY, *untold)
        answers = pipe.execute(raise_on_error=False)
        self._book.settle(settling, lengths=answers[: len(settling)])
        if not any(isinstance(answer, Exception) for answer in answers[len(settling) :]):
            self._book.told(untold)

    def stop(self) -> None:
        self._ended.set()
        if self.is_alive():
            self.join()
        with contextlib.suppress(*ERRORS):  # else the console forgets it within a minute
            self._client.hdel(PRODUCERS_KEY, self._book.id)
        if self._close:
            self._client.close()


def _apart_from(client: Any) -> tuple[Any, bool]:
    """A client of its own, and that it is; a cluster's or a sentinel's finds its nodes by itself and is shared."""
    pool: Any = getattr(client, "connection_pool", None)
    if type(pool) not in (redis.ConnectionPool, redis.BlockingConnectionPool):
        return client, False
    options = own_connection(pool.connection_kwargs)
    own = redis.ConnectionPool(connection_class=pool.connection_class, retry=Retry(NoBackoff(), 1), **options)
    return redis.Redis(connection_pool=own), True

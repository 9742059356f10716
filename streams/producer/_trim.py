"""Trims in the background of a service where no console does. Plans by the same engine and runs the same scripts."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Generator, Mapping
from typing import Any, Protocol

from redis.exceptions import NoScriptError

from streams.engine.limits import Limit
from streams.engine.plan import Skip, plan_trim
from streams.engine.state import state_from_reply
from streams.engine.trimming import Call, Trimming, bytes_freed
from streams.lua import script
from streams.producer._connect import ERRORS, STOPS_WITHIN_SECONDS

logger = logging.getLogger(__name__)

READ_STATE = "read_state"
NOT_TRIMMED = "%s was not trimmed, and will be tried again: %s"


class Trims(Protocol):
    """Totals are of this process; bytes are the server's estimates."""

    total_trims: int
    bytes_trimmed: int

    @property
    def active(self) -> int: ...


def trim_calls(limit: Limit, *, tally: Trims) -> Generator[Call, Any, None]:
    """The calls of one trim, each to be sent and its answer given back. The first word names the script."""
    before = state_from_reply(limit.stream, reply=(yield (READ_STATE, limit.stream, "newest")))
    plan = plan_trim(before, limit=limit, due=True)
    if isinstance(plan, Skip):
        return
    trimming = Trimming(plan)
    while not trimming.done:
        trimming.take((yield trimming.call()))
    if trimming.trimmed:
        tally.total_trims += 1
        tally.bytes_trimmed += bytes_freed(before.bytes, trimming.bytes) or 0


class TrimTasks:
    """asyncio: one task a limit."""

    def __init__(self) -> None:
        self.total_trims = self.bytes_trimmed = 0
        self._limits: dict[str, Limit] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def active(self) -> int:
        return sum(not task.done() for task in self._tasks)

    def arrange(self, client: Any, limits: Mapping[str, Limit]) -> None:
        """Trims by these limits from now on; by none, not at all."""
        if limits == self._limits:
            return
        self._limits = dict(limits)
        for task in self._tasks:
            task.cancel()
        self._tasks = [
            asyncio.create_task(self._keep(client, limit), name=f"trim {limit.stream}")
            for limit in limits.values()
            if limit.enabled
        ]

    async def stop(self) -> None:
        tasks = set(self._tasks)
        self.arrange(None, {})
        while tasks:  # redis-py swallows a cancellation that arrives while it connects
            _, tasks = await asyncio.wait(tasks, timeout=STOPS_WITHIN_SECONDS)
            for task in tasks:
                task.cancel()

    async def _keep(self, client: Any, limit: Limit) -> None:
        while self._limits.get(limit.stream) == limit:
            try:
                await self._trim(client, limit)
            except ERRORS as error:
                logger.warning(NOT_TRIMMED, limit.stream, error)
            await asyncio.sleep(limit.trim_interval.total_seconds())

    async def _trim(self, client: Any, limit: Limit) -> None:
        calls, reply = trim_calls(limit, tally=self), None
        try:
            while True:
                words, instead = _words(calls.send(reply))
                try:
                    reply = await client.execute_command(*words)
                except NoScriptError:
                    reply = await client.execute_command(*instead)
        except StopIteration:
            return


class TrimThread:
    """Threads: one for all limits, each at its own interval."""

    def __init__(self) -> None:
        self.total_trims = self.bytes_trimmed = 0
        self._client: Any = None
        self._limits: tuple[Limit, ...] = ()
        self._changed = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None

    @property
    def active(self) -> int:
        return len(self._limits)

    def arrange(self, client: Any, limits: Mapping[str, Limit]) -> None:
        """Trims by these limits from now on; by none, not at all."""
        wanted = tuple(limit for limit in limits.values() if limit.enabled)
        if wanted == self._limits:
            return
        self._client, self._limits = client, wanted
        self._changed.set()
        if self._thread is None:
            self._ended = False
            self._thread = threading.Thread(target=self._keep, name="trims", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._ended, self._limits = True, ()
        self._changed.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _keep(self) -> None:
        due: dict[Limit, float] = {}
        while not self._ended:
            self._changed.clear()
            limits = self._limits
            due = {limit: due.get(limit, 0.0) for limit in limits}
            for limit in limits:
                if due[limit] <= time.monotonic():
                    self._trim(limit)
                    due[limit] = time.monotonic() + limit.trim_interval.total_seconds()
            self._changed.wait(max(0.0, min(due.values()) - time.monotonic()) if due else None)

    def _trim(self, limit: Limit) -> None:
        calls, reply = trim_calls(limit, tally=self), None
        try:
            while limit in self._limits:
                words, instead = _words(calls.send(reply))
                try:
                    reply = self._client.execute_command(*words)
                except NoScriptError:
                    reply = self._client.execute_command(*instead)
        except StopIteration:
            return
        except ERRORS as error:
            logger.warning(NOT_TRIMMED, limit.stream, error)


def _words(call: Call) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    return script(str(call[0])).calls(call[1:2], call[2:])

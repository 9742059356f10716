"""Does work once for all threads that wait for it, and keeps what it answered as long as somebody may want it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from time import monotonic
from typing import Generic, TypeVar

from tradeul_ops.readings import is_recording

Value = TypeVar("Value")


class Turn(Generic[Value]):
    """One thread works at a time; what the work that ended last answered or raised, and when it began."""

    def __init__(self) -> None:
        self.began = 0.0
        self._ended: Future[Value] | None = None
        self.waiting = 0
        self._lock = threading.Lock()

    def share(self, work: Callable[[], Value], *, within: Callable[[Value], float] = lambda value: 0.0) -> Value:
        """What `work` answers or raises.

        Whoever asks while another works waits for the next turn, and shares that with all who wait, its error too:
        however many ask, a process does it once at a time, and a server that hangs holds each of them up once.
        `within`: how many seconds older an answer may be, by that answer. Who records what is asked of the servers
        works alone, or there would be nothing to record.
        """
        if is_recording():
            return work()
        asked = monotonic()
        with self._lock:
            ended = self._ended
            older = within(ended.result()) if ended is not None and ended.exception() is None else 0.0
            if ended is None or self.began < asked - older:
                self.began, self._ended = monotonic(), (ended := Future())
                try:
                    ended.set_result(work())
                except BaseException as error:
                    ended.set_exception(error)
                    raise
            return ended.result()


class Turns:
    """A turn for each of any number of keys; forgotten when nobody waits for it and its value is too old for all."""

    def __init__(self) -> None:
        self._turns: dict[Hashable, Turn[object]] = {}
        self._kept = 0.0  # the longest `within` that was asked for
        self._guard = threading.Lock()

    def share(self, key: Hashable, work: Callable[[], Value], *, within: float = 0.0) -> Value:
        """`within`: an answer that is at most so many seconds old does as well."""
        with self._guard:
            self._forget()
            self._kept = max(self._kept, within)
            turn: Turn[Value] = self._turns.setdefault(key, Turn())  # type: ignore[assignment]  # of this key
            turn.waiting += 1
        try:
            return turn.share(work, within=lambda value: within)
        finally:
            with self._guard:
                turn.waiting -= 1

    def _forget(self) -> None:
        too_old = monotonic() - self._kept
        for key, turn in list(self._turns.items()):
            if not turn.waiting and turn.began < too_old:
                del self._turns[key]

"""Reads one source for a page and keeps its last good answer, so that one that is down shows as stale, not as gone."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import Any, Generic, TypeVar

import redis
from django.db import DatabaseError, InterfaceError

from snapshots.store import StoreError as SnapshotsStoreError
from streams.store import StoreError as StreamsStoreError
from timescale.store.errors import TimescaleError

Value = TypeVar("Value")
SOURCE_ERRORS = (
    redis.RedisError,
    DatabaseError,
    InterfaceError,
    SnapshotsStoreError,
    StreamsStoreError,
    TimescaleError,
)

_last_good: dict[str, Panel[Any]] = {}
_guard = threading.Lock()
_turns: defaultdict[str, _Turn] = defaultdict(lambda: _Turn())


@dataclass(frozen=True)
class Panel(Generic[Value]):
    """What a source said at `read_at`. `error` is empty while it answers; `value` is None if it never did."""

    name: str
    value: Value | None
    read_at: datetime | None
    error: str = ""

    @property
    def stale(self) -> bool:
        return bool(self.error)


class _Turn:
    """One thread of this process reads a source at a time; `began` and `panel` are of the reading that ended last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.began = 0.0
        self.panel: Panel[Any] | None = None


def read(name: str, source: Callable[..., Value], *, now: datetime, within: float = 0.0) -> Panel[Value]:
    """The source's answer, or its last good one with why there is none newer. Raises no error of a source.

    `within`: an answer that is at most so many seconds old does as well. A failure is not kept so.

    Whoever asks while it is being read waits for the next reading, and shares that with all who wait: none of them gets
    what was read before it asked, and however many poll, a process reads one at a time.
    """
    asked, turn = monotonic(), _turns[name]
    with turn.lock:
        if turn.panel is None or turn.began < asked - (0.0 if turn.panel.stale else within):
            began = monotonic()
            turn.panel = _read(name, source, now=now)
            turn.began = began
        return turn.panel


def _read(name: str, source: Callable[..., Value], *, now: datetime) -> Panel[Value]:
    try:
        panel = Panel(name, source(now=now), now)
    except SOURCE_ERRORS as error:
        with _guard:
            last: Panel[Value] = _last_good.get(name, Panel(name, None, None))
        return replace(last, error=_first_line(error))
    with _guard:
        _last_good[name] = panel
    return panel


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

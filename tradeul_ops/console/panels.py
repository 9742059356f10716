"""Reads one source for a page and keeps its last good answer, so that one that is down shows as stale, not as gone."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

import redis
from django.db import DatabaseError, InterfaceError

from snapshots.store import StoreError as SnapshotsStoreError
from streams.store import StoreError as StreamsStoreError
from timescale.store.errors import TimescaleError
from tradeul_ops.turns import Turn

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
_turns: defaultdict[str, Turn[Panel[Any]]] = defaultdict(Turn)


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


def read(name: str, source: Callable[..., Value], *, now: datetime, within: float = 0.0) -> Panel[Value]:
    """The source's answer, or its last good one with why there is none newer. Raises no error of a source.

    Threads share a reading; see Turn. `within`: an answer that is at most so many seconds old does as well. A failure
    is not kept so.
    """
    return _turns[name].share(lambda: _read(name, source, now=now), within=lambda panel: 0.0 if panel.stale else within)


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

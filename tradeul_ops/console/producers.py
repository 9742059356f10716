"""Producers with the rate at which each adds, from two readings of its counter by this process. Changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from snapshots.engine.names import is_chain
from streams.engine.producers import ProducerSeen
from streams.services.producing import Producing, producing_summary

APART = timedelta(seconds=1)  # two readings that a rate is made from
TOO_FAR = timedelta(minutes=5)


@dataclass(frozen=True)
class Row:
    """`rate`: entries a second since the reading before; None: this process has read only one."""

    seen: ProducerSeen
    holds_newest: bool
    rate: float | None


@dataclass(frozen=True)
class Producers:
    summary: Producing
    rows: tuple[Row, ...]


class Rates:
    """The last two readings of each live producer; those that are gone are forgotten."""

    def __init__(self) -> None:
        self._readings: dict[str, tuple[ProducerSeen, ProducerSeen]] = {}
        self._guard = threading.Lock()

    def of(self, producers: Sequence[ProducerSeen]) -> dict[str, float | None]:
        with self._guard:
            self._readings = {one.id: self._two(one) for one in producers}
            return {id: _rate(*pair) for id, pair in self._readings.items()}

    def _two(self, new: ProducerSeen) -> tuple[ProducerSeen, ProducerSeen]:
        before, last = self._readings.get(new.id, (new, new))
        if new.adds < last.adds or new.seen_at - last.seen_at > TOO_FAR:
            return new, new
        return (last, new) if new.seen_at - last.seen_at >= APART else (before, last)


rates = Rates()


def read_producers(*, now: datetime) -> Producers:
    """Raises StoreError."""
    summary = producing_summary(now=now)
    unlimited = tuple(one for one in summary.unlimited if not is_chain(one.stream))
    summary = replace(summary, unlimited=unlimited)
    speeds = rates.of(summary.producers)
    rows = [Row(one, one.version == summary.version, speeds[one.id]) for one in summary.producers]
    return Producers(summary, tuple(sorted(rows, key=lambda row: row.holds_newest)))  # who lags, first


def _rate(before: ProducerSeen, last: ProducerSeen) -> float | None:
    seconds = (last.seen_at - before.seen_at).total_seconds()
    return (last.adds - before.adds) / seconds if seconds > 0 else None

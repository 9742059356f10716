"""Who adds to streams, by what limits they go, and which streams that are added to have no limit. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from streams import store
from streams.engine.producers import ProducerSeen, producers_sentence
from streams.engine.trend import inflow_per_hour
from streams.models import Stream
from streams.services.rules import FOUND_WITHIN, load_rules
from streams.services.samples import recent_samples
from tradeul_ops.connections import data_redis

MOST_UNLIMITED = 200  # streams without a limit whose last hour is looked at


@dataclass(frozen=True, slots=True)
class Unlimited:
    """A stream without a limit. `inflow_per_hour` None: unknown; `length` as last sampled."""

    stream: str
    inflow_per_hour: float | None
    length: int | None


@dataclass(frozen=True, slots=True)
class Producing:
    """`version`: revision of the published limits. `unlimited`: what grows fastest first, then what may grow.

    `more`: streams without a limit that were not looked at.
    """

    producers: tuple[ProducerSeen, ...]
    version: int | None
    unlimited: tuple[Unlimited, ...]
    more: int
    read_at: datetime

    @property
    def sentence(self) -> str:
        return producers_sentence(self.producers, version=self.version)

    @property
    def late(self) -> tuple[ProducerSeen, ...]:
        return tuple(one for one in self.producers if one.version != self.version)


def producing_summary(*, now: datetime) -> Producing:
    """The same number of queries and round trips whatever there is. Raises StoreError."""
    client, rules = data_redis(), load_rules()
    names = Stream.objects.filter(seen_at__gt=now - FOUND_WITHIN).values_list("name", flat=True)
    without = [name for name in names if rules.effective(name).limit is None]
    recent = recent_samples(without[:MOST_UNLIMITED], now=now)
    unlimited = [
        Unlimited(
            name,
            inflow_per_hour(recent[name]) if name in recent else None,
            recent[name].lengths[-1] if name in recent else None,
        )
        for name in without[:MOST_UNLIMITED]
    ]
    unlimited.sort(key=_growing_first)
    return Producing(
        producers=store.read_producers(client),
        version=store.read_published(client).version,
        unlimited=tuple(unlimited),
        more=max(0, len(without) - MOST_UNLIMITED),
        read_at=now,
    )


def _growing_first(one: Unlimited) -> tuple[int, float, str]:
    rank = 1 if one.inflow_per_hour is None else 0 if one.inflow_per_hour else 2
    return rank, -(one.inflow_per_hour or 0), one.stream

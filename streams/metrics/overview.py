"""Streams for the overview and for the findings: each judged by a glance, and only the worst and fullest read whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from django.conf import settings

from streams import store
from streams.engine.abandoned import AbandonedGroup
from streams.engine.nameless import NamelessFound
from streams.engine.state import StreamState
from streams.metrics.glance import WORST, Glance, known_streams, limited_streams, read_glances
from streams.metrics.summary import is_enforced, nameless_streams, read_enforcement, read_producers, rows_of
from streams.metrics.values import Producers, StreamRow
from streams.services import load_rules_and_ids
from streams.services.groups import abandoned_groups
from streams.services.newest import bytes_of_all
from streams.store import RedisMemory
from tradeul_ops.connections import data_redis
from tradeul_ops.sparklines import Spot

SHOWN = 12
ASKED_AFTER = 50  # streams with a group that seems abandoned; those beyond come when these are cured


@dataclass(frozen=True, kw_only=True)
class StreamsOverview(Producers):
    """`glances`: every limited stream; `rows`: of the worst and fullest, all that a page shows.

    `hour`: what all streams held, a point a minute. `unmanaged` and all below as in StreamsSummary.
    """

    memory: RedisMemory
    glances: tuple[Glance, ...]
    rows: tuple[StreamRow, ...]
    abandoned: tuple[AbandonedGroup, ...]
    hour: tuple[Spot, ...]
    unmanaged: tuple[str, ...]
    nameless: NamelessFound
    trimmed_entries: int
    trimmed_bytes: int
    read_at: datetime

    @property
    def bytes(self) -> int:
        return sum(glance.bytes or 0 for glance in self.glances)


def streams_overview(*, now: datetime) -> StreamsOverview:
    """In six round trips to Redis and eight queries at most. Raises store.StoreError when Redis is away."""
    client, totals, (rules, ids) = data_redis(), read_enforcement(), load_rules_and_ids()
    enforced = is_enforced(totals, now)
    limited, unmanaged = limited_streams(known_streams(rules, now=now), rules=rules)
    glances = read_glances(client, limited, ids=ids, judged=True, near=True, enforced=enforced, now=now)
    shown = [glance.stream for glance in _shown(glances)]
    known = {one.name: one for one, _ in limited}
    rows = rows_of(shown, rules=rules, ids=ids, enforced=enforced, known=known, now=now)
    return StreamsOverview(
        memory=store.read_memory(client),
        glances=tuple(glances),
        rows=tuple(rows[name] for name in shown if name in rows),
        abandoned=_abandoned(client, glances, now),
        hour=bytes_of_all(now=now),
        unmanaged=tuple(one.name for one in unmanaged if one.seen),
        nameless=nameless_streams(totals, now),
        **read_producers(client),
        trimmed_entries=totals.trimmed,
        trimmed_bytes=totals.bytes_trimmed,
        read_at=now,
    )


def _shown(glances: Sequence[Glance]) -> list[Glance]:
    """By name while all fit: then nothing moves between two polls. Else the worst, and the fullest of the others."""
    if len(glances) <= SHOWN:
        return list(glances)
    chosen = sorted(glances, key=lambda glance: (WORST[glance.condition], -(glance.usage_ratio or 0)))[:SHOWN]
    return sorted(chosen, key=lambda glance: (WORST[glance.condition], glance.stream))


def _abandoned(client: Any, glances: Sequence[Glance], now: datetime) -> tuple[AbandonedGroup, ...]:
    """Asks only about streams with a group that was still for long enough as sampled; the longest first."""
    before = (now - settings.ABANDONED_GROUP_AFTER).timestamp()
    still = sorted(
        (since, glance.stream, glance.sample)
        for glance in glances
        if glance.sample and (since := glance.sample.still_since) is not None and since <= before
    )[:ASKED_AFTER]
    newest = {stream: sample.groups for _, stream, sample in still}
    states = store.read_states(client, list(newest)).values()
    found = abandoned_groups((one for one in states if isinstance(one, StreamState)), newest=newest, now=now)
    return tuple(chain.from_iterable(found.values()))

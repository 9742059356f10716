"""What the pages and the metrics endpoint show of streams, as values. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import OuterRef, Subquery

from streams import store
from streams.engine.condition import Condition, condition_of
from streams.engine.producers import ProducerSeen
from streams.engine.state import GroupState, StreamState
from streams.models import Enforcement, StreamLimit, TrimRun
from streams.store import RedisMemory
from tradeul_ops.connections import data_redis
from tradeul_ops.runs import Outcome

__all__ = ["GroupState", "LastTrim", "ProducerSeen", "RedisMemory", "StreamRow", "StreamsSummary"]

# Enforcement.ran_at is stamped by every sweep that reached Redis, five seconds apart: six may be missing.
RUNNING_WITHIN = timedelta(seconds=30)


@dataclass(frozen=True)
class LastTrim:
    at: datetime
    trimmed: int
    forced: int
    detail: str
    failed: bool


@dataclass(frozen=True)
class StreamRow:
    limit_id: int
    stream: str
    enabled: bool
    exists: bool
    length: int
    maxlen: int
    trim_threshold: int
    trim_interval: timedelta
    hard_maxlen: int | None
    protect_groups: bool
    approximate: bool
    usage_ratio: float
    bytes: int | None
    entries_added: int | None
    groups: tuple[GroupState, ...]
    held_by: str | None
    condition: str
    why: str
    last_trim: LastTrim | None


@dataclass(frozen=True)
class StreamsSummary:
    """`version`: revision of the published limits. `trimmed_*`: since install, bytes as the server estimated them."""

    memory: RedisMemory
    rows: tuple[StreamRow, ...]
    producers: tuple[ProducerSeen, ...]
    version: int | None
    trimmed_entries: int
    trimmed_bytes: int
    read_at: datetime


def streams_summary(*, now: datetime) -> StreamsSummary:
    """Raises store.StoreUnavailable when Redis is away."""
    client = data_redis()
    limits = _limits()
    states = store.read_states(client, [limit.stream for limit in limits])
    trims = TrimRun.objects.in_bulk([limit.last_trim_id for limit in limits if limit.last_trim_id])
    totals = _enforcement()
    return StreamsSummary(
        memory=store.read_memory(client),
        rows=tuple(
            _row(limit, states[limit.stream], trims.get(limit.last_trim_id), _enforced(totals, now)) for limit in limits
        ),
        producers=store.read_producers(client),
        version=store.read_published(client).version,
        trimmed_entries=totals.trimmed,
        trimmed_bytes=totals.bytes_trimmed,
        read_at=now,
    )


def guide_metrics(*, now: datetime) -> dict[str, Any]:
    """The integration guide's two objects, field for field, and more. Raises store.StoreUnavailable."""
    rows = streams_summary(now=now).rows
    totals = _enforcement()
    return {
        "stats": {
            "is_running": _enforced(totals, now),
            "active_trim_tasks": sum(row.enabled for row in rows),
            "total_adds": _total_adds(rows),
            "total_trims": totals.trims,
            "bytes_trimmed": totals.bytes_trimmed,
            "entries_trimmed": totals.trimmed,
            "entries_forced": totals.forced,
        },
        "details": [
            {
                "stream": row.stream,
                "length": row.length,
                "maxlen": row.maxlen,
                "usage_percent": round(row.usage_ratio * 100, 1),
                "bytes": row.bytes,
                "hard_maxlen": row.hard_maxlen,
                "condition": row.condition,
                "held_by": row.held_by,
                "lag": {group.name: group.lag for group in row.groups},
            }
            for row in rows
        ],
    }


def _total_adds(rows: tuple[StreamRow, ...]) -> int | None:
    """None before Redis 7, which does not count them."""
    counted = [row.entries_added for row in rows if row.entries_added is not None]
    return sum(counted) if counted or not any(row.exists for row in rows) else None


def _limits() -> list[Any]:
    """Every limit, with the id of its last trim; StreamLimit says nothing of that annotation."""
    runs = TrimRun.objects.filter(stream=OuterRef("stream")).order_by("-id")
    return list(StreamLimit.objects.annotate(last_trim_id=Subquery(runs.values("id")[:1])))


def _enforcement() -> Enforcement:
    return Enforcement.objects.first() or Enforcement()


def _enforced(totals: Enforcement, now: datetime) -> bool:
    return totals.ran_at is not None and now - totals.ran_at <= RUNNING_WITHIN


def _row(limit: StreamLimit, state: StreamState | store.StreamError, run: TrimRun | None, enforced: bool) -> StreamRow:
    if isinstance(state, store.StreamError):
        condition, state = Condition("unknown", str(state)), StreamState(stream=limit.stream, exists=True)
    else:
        condition = condition_of(
            state,
            limit=limit.limit,
            held_by=limit.held_by or None,
            enforced=enforced,
            ended_above=_ended_above(limit, run),
        )
    return StreamRow(
        limit_id=limit.pk,
        stream=limit.stream,
        enabled=limit.enabled,
        exists=state.exists,
        length=state.length,
        maxlen=limit.maxlen,
        trim_threshold=limit.trim_threshold,
        trim_interval=limit.trim_interval,
        hard_maxlen=limit.hard_maxlen,
        protect_groups=limit.protect_groups,
        approximate=limit.approximate,
        usage_ratio=state.length / limit.maxlen,
        bytes=state.bytes,
        entries_added=state.entries_added,
        groups=state.groups,
        held_by=limit.held_by or None,
        condition=condition.word,
        why=condition.why,
        last_trim=_last_trim(run),
    )


def _ended_above(limit: StreamLimit, run: TrimRun | None) -> bool:
    if run is None:
        return False
    return run.outcome == Outcome.FAILED or (run.length_after or 0) > limit.trim_threshold


def _last_trim(run: TrimRun | None) -> LastTrim | None:
    if run is None:
        return None
    return LastTrim(
        at=run.finished_at,
        trimmed=run.trimmed,
        forced=run.forced,
        detail=run.detail,
        failed=run.outcome == Outcome.FAILED,
    )

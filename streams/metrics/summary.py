"""Reads how streams stand, for the pages and the metrics endpoint. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from streams import store
from streams.engine.condition import Condition, condition_of
from streams.engine.limits import Limit
from streams.engine.nameless import NamelessFound, from_record
from streams.engine.plan import arithmetic, entry_bytes, in_entries
from streams.engine.rules import Effective, Rules
from streams.engine.state import StreamState
from streams.metrics.glance import Known
from streams.metrics.values import LastTrim, StreamRow, StreamsSummary
from streams.models import Enforcement, Stream, TrimRun
from streams.services import load_rules_and_ids
from streams.services.rules import FOUND_WITHIN, bounded_elsewhere
from streams.services.trends import read_courses
from tradeul_ops.connections import data_redis
from tradeul_ops.runs import Outcome

# Enforcement.ran_at is stamped by every sweep that reached Redis, five seconds apart: six may be missing.
RUNNING_WITHIN = timedelta(seconds=30)


def streams_summary(*, now: datetime) -> StreamsSummary:
    """Raises store.StoreUnavailable when Redis is away."""
    client, totals = data_redis(), read_enforcement()
    rules, ids = load_rules_and_ids()
    streams = {stream.name: stream for stream in Stream.objects.all()}
    named = {name for name in rules.exact_streams if not bounded_elsewhere(name)}
    # One that only a limit names has no row until the next sweep, and looking at it makes none.
    streams |= {name: Stream(pk=0, name=name) for name in named - set(streams)}
    found = [(stream, rules.effective(name)) for name, stream in sorted(streams.items())]
    trims = _last_trims(streams)
    return StreamsSummary(
        memory=store.read_memory(client),
        rows=_rows(client, found, trims=trims, ids=ids, enforced=is_enforced(totals, now), now=now),
        unmanaged=tuple(stream.name for stream, effective in found if effective.limit is None and _there(stream, now)),
        nameless=nameless_streams(totals, now),
        **read_producers(client),
        trimmed_entries=totals.trimmed,
        trimmed_bytes=totals.bytes_trimmed,
        read_at=now,
    )


def read_producers(client: Any) -> dict[str, Any]:
    """The fields of values.Producers. Raises no error of the server."""
    try:
        return {"producers": store.read_producers(client), "version": store.read_version(client)}
    except store.StoreError as error:
        return {"producers": (), "version": None, "producers_error": str(error)}


def redis_memory(*, now: datetime) -> store.RedisMemory:
    """Raises store.StoreUnavailable when Redis is away."""
    return store.read_memory(data_redis())


def stream_row(name: str, *, now: datetime) -> StreamRow | None:
    """One stream's; None where no limit is for it, or it is gone. Raises store.StoreError."""
    return stream_rows([name], now=now).get(name)


def stream_rows(names: Iterable[str], *, now: datetime) -> dict[str, StreamRow]:
    """Of those that a limit is for, in one round trip to Redis however many they are. Raises store.StoreError."""
    rules, ids = load_rules_and_ids()
    return rows_of(names, rules=rules, ids=ids, enforced=is_enforced(read_enforcement(), now), now=now)


def rows_of(
    names: Iterable[str],
    *,
    rules: Rules,
    ids: Mapping[str, int],
    enforced: bool,
    known: Mapping[str, Known] | None = None,
    now: datetime,
) -> dict[str, StreamRow]:
    """`stream_rows`, for who has loaded the rules, and perhaps the streams' rows as well."""
    limited = {name: effective for name in names if (effective := rules.effective(name)).limit is not None}
    if not limited:
        return {}
    if known is None:
        streams = {stream.name: stream for stream in Stream.objects.filter(name__in=list(limited))}
    else:
        here = [known[name] for name in limited if name in known]
        streams = {one.name: Stream(pk=one.id, name=one.name, held_by=one.held_by) for one in here}
    # One that was not found yet has no row, and looking at it makes none: beat would begin to trim it.
    found = [(streams.get(name) or Stream(pk=0, name=name), effective) for name, effective in limited.items()]
    rows = _rows(data_redis(), found, trims=_last_trims(limited), ids=ids, enforced=enforced, now=now)
    return {row.stream: row for row in rows}


def _there(stream: Stream, now: datetime) -> bool:
    """Found by one of the last scans; a stream that was deleted is forgotten only after a day."""
    return stream.seen_at is not None and now - stream.seen_at < FOUND_WITHIN


def _last_trims(names: Collection[str]) -> dict[str, TrimRun]:
    runs = TrimRun.objects.filter(stream__in=list(names)).order_by("stream", "-id").distinct("stream")
    return {run.stream: run for run in runs}


def _rows(
    client: Any,
    found: list[tuple[Stream, Effective]],
    *,
    trims: Mapping[str, TrimRun],
    ids: Mapping[str, int],
    enforced: bool,
    now: datetime,
) -> tuple[StreamRow, ...]:
    states = _states(client, [effective for _, effective in found])
    rows = []
    for stream, effective in found:
        if effective.limit is not None and _shown(stream, effective, states[stream.name]):
            limit_id = ids[(effective.own or effective.ceilings[0]).key]
            run = trims.get(stream.name)
            rows.append(_row(stream, effective, states[stream.name], run, limit_id, enforced))
    limits = {effective.stream: effective.limit for _, effective in found if effective.limit}
    held = {stream.name for stream, _ in found if stream.held_by}
    courses = read_courses(limits, states, held=held, now=now)
    return tuple(replace(row, course=courses[row.stream]) for row in rows)


def _states(client: Any, found: list[Effective]) -> dict[str, StreamState | store.StreamError]:
    limited = [effective.stream for effective in found if effective.limit]
    measured = [effective.stream for effective in found if effective.limit and effective.limit.max_bytes]
    return store.read_states(client, limited, newest_of=measured)


def _shown(stream: Stream, effective: Effective, state: StreamState | store.StreamError) -> bool:
    """One that a pattern matched once, and that is gone, is no longer anybody's concern; one that a limit names is."""
    named = effective.own is not None and effective.own.stream == stream.name
    return named or isinstance(state, store.StreamError) or state.exists


def read_enforcement() -> Enforcement:
    return Enforcement.objects.first() or Enforcement()


def nameless_streams(totals: Enforcement, now: datetime) -> NamelessFound:
    return from_record(totals.nameless, within=FOUND_WITHIN, now=now)


def is_enforced(totals: Enforcement, now: datetime) -> bool:
    return totals.ran_at is not None and now - totals.ran_at <= RUNNING_WITHIN


def _row(
    stream: Stream,
    effective: Effective,
    state: StreamState | store.StreamError,
    run: TrimRun | None,
    limit_id: int,
    enforced: bool,
) -> StreamRow:
    limit, own = effective.limit, effective.own
    assert limit is not None  # whoever asks took care
    known = None if isinstance(state, store.StreamError) else state
    if known is None:
        condition = Condition("unknown", str(state))
    else:
        calculation = arithmetic(limit, state=known)
        limit = in_entries(limit, state=known)
        condition = condition_of(
            known,
            limit=limit,
            held_by=stream.held_by or None,
            enforced=enforced,
            ended_above=_ended_above(limit, run),
        )
    return StreamRow(
        stream_id=stream.pk,
        stream=stream.name,
        limit_id=limit_id,
        own=(own or effective.ceilings[0]).pattern,
        is_own=own is not None and own.stream == stream.name and own.maxlen is not None,
        enabled=limit.enabled,
        exists=known.exists if known else None,
        length=known.length if known else None,
        maxlen=limit.maxlen,
        trim_threshold=limit.trim_threshold,
        trim_interval=limit.trim_interval,
        max_age=limit.max_age,
        max_bytes=limit.max_bytes,
        hard_maxlen=limit.hard_maxlen,
        protect_groups=limit.protect_groups,
        approximate=limit.approximate,
        usage_ratio=known.length / limit.maxlen if known and limit.maxlen else None,
        bytes=known.bytes if known else None,
        oldest_age=known.oldest_age if known else None,
        entries_added=known.entries_added if known else None,
        groups=known.groups if known else (),
        held_by=stream.held_by or None,
        condition=condition.word,
        why=condition.why,
        arithmetic=calculation if known else None,
        ceiling_bytes=_at_ceiling(limit, known),
        last_trim=_last_trim(run),
    )


def _at_ceiling(limit: Limit, state: StreamState | None) -> int | None:
    size = entry_bytes(state) if state else None
    protected = limit.enabled and limit.protect_groups and limit.hard_maxlen is not None
    return round((limit.hard_maxlen or 0) * size) if size and protected else None


def _ended_above(limit: Limit, run: TrimRun | None) -> bool:
    if run is None:
        return False
    return run.outcome == Outcome.FAILED or (run.length_after or 0) > limit.starts_at


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

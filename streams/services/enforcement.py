"""Enforces limits: takes what is due, plans, trims, records. Decides nothing by itself; see engine.plan."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet

from streams import store
from streams.engine.limits import Limit
from streams.engine.plan import Skip, in_entries, plan_trim
from streams.engine.rules import Rules
from streams.engine.state import StreamState
from streams.engine.trimming import Trimming
from streams.models import Enforcement, Stream, TrimRun
from streams.services.records import WHOLE_SWEEP, begin_trim, record_failure, record_trim, save_what_is_left
from streams.services.rules import bounded_elsewhere, load_rules, remember
from tradeul_ops.connections import data_redis
from tradeul_ops.locks import one_at_a_time

HISTORY_KEPT = 20_000  # runs: at five streams trimmed twice a minute, a day and a half
SWEEP_SECONDS = 4.0  # beat sends the next sweep after five

Claimed = tuple[Stream, datetime | None]  # a row, already moved on, and the due_at that it had


def enforce_limits(now: datetime) -> int:
    """Trims every stream that is past its threshold, and to maxlen those whose interval is over. Raises StoreError.

    Returns how many were trimmed. One at a time: a second one returns 0. What doesn't fit into a sweep's time comes
    first in the next.
    """
    with one_at_a_time("streams.enforce_limits") as mine:
        if not mine:
            return 0
        rules = load_rules()
        remember(rules.exact_streams)
        trimmed = _enforce(rules, Stream.objects.all(), due=_due(now), now=now)
        Enforcement.objects.update_or_create(id=1, defaults={"ran_at": now})
        return trimmed


def enforce_limit(stream: str, *, now: datetime) -> int:
    """Trims one stream to its limit, due or not, past its threshold or not. Raises StoreError."""
    remember([stream])
    return _enforce(load_rules(), Stream.objects.filter(name=stream), due=Q(), now=now)


def prune_history() -> int:
    """Keeps the newest HISTORY_KEPT runs; the totals stay, in Enforcement. Returns how many rows went."""
    return int(TrimRun.objects.prune(keep=HISTORY_KEPT))


def _due(now: datetime) -> Q:
    return Q(due_at__isnull=True) | Q(due_at__lte=now)


def _enforce(rules: Rules, streams: QuerySet[Stream], *, due: Q, now: datetime) -> int:
    until, trimmed = time.monotonic() + SWEEP_SECONDS, 0
    left: list[Claimed] = []
    save_what_is_left()
    try:
        rows = list(streams)
        limits = _enabled(rules, rows)
        rows = [row for row in rows if row.name in limits]
        measured = [name for name, limit in limits.items() if limit.max_bytes]
        states = store.read_states(data_redis(), list(limits), newest_of=measured)
        left = _claim(streams.filter(due, name__in=states), limits, now=now)
        claimed = {row.pk for row, _ in left}
        while left:
            row = left[0][0]
            done, removed = _enforce_one(row, limits[row.name], states[row.name], due=True, until=until, now=now)
            trimmed += removed > 0
            if not done:
                return trimmed  # out of time
            del left[0]
        for row in rows:
            if row.pk not in claimed:
                done, removed = _enforce_one(row, limits[row.name], states[row.name], due=False, until=until, now=now)
                trimmed += removed > 0
                if not done:
                    break
    except store.StoreError as error:
        record_failure(WHOLE_SWEEP, str(error), now=now)
        raise
    finally:
        for row, due_at in left:
            Stream.objects.filter(pk=row.pk, due_at=row.due_at).update(due_at=due_at)
        save_what_is_left()
    return trimmed


def _enabled(rules: Rules, rows: list[Stream]) -> dict[str, Limit]:
    found = ((row.name, rules.limit_of(row.name)) for row in rows if not bounded_elsewhere(row.name))
    return {name: limit for name, limit in found if limit is not None and limit.enabled}


def _claim(streams: QuerySet[Stream], limits: dict[str, Limit], *, now: datetime) -> list[Claimed]:
    """Moves due_at on before the trim, so that an edit during it (NULL: at once) is not overwritten after it.

    The longest overdue come first. A row that somebody is just writing is left to the next sweep.
    """
    with transaction.atomic():
        rows = list(streams.select_for_update(skip_locked=True).order_by(F("due_at").asc(nulls_first=True)))
        claimed = [(row, row.due_at) for row in rows]
        for row in rows:
            row.due_at = _next(row.due_at, limits[row.name].trim_interval, now)
        Stream.objects.bulk_update(rows, ["due_at"], batch_size=500)
    return claimed


def _next(due_at: datetime | None, interval: timedelta, now: datetime) -> datetime:
    """One interval after it was last due, not after that was noticed: sweeps are 5 s apart, and would add up."""
    on_time = (due_at or now) + interval
    return on_time if on_time > now else now + interval


def _enforce_one(
    row: Stream, limit: Limit, state: StreamState | store.StreamError, *, due: bool, until: float, now: datetime
) -> tuple[bool, int]:
    """Whether it is done, and how many entries went. Raises StoreError for what concerns more than this stream."""
    if isinstance(state, store.StreamError):
        record_failure(row.name, str(state), now=now)
        return True, 0
    plan = plan_trim(state, limit=limit, due=due, held=bool(row.held_by))
    if isinstance(plan, Skip):
        maxlen = in_entries(limit, state=state).maxlen
        if due if maxlen is None else state.length <= maxlen:
            _set_holder(row, None)
        return True, 0
    trimming = Trimming(plan)
    try:
        _trim(trimming, state, until=until, now=now)
    except store.StreamError as error:
        record_failure(row.name, str(error), now=now)
        return True, trimming.trimmed
    if trimming.done:
        _set_holder(row, trimming.held_by)
    return trimming.done, trimming.trimmed


def _trim(trimming: Trimming, before: StreamState, *, until: float, now: datetime) -> None:
    client, started, after = data_redis(), time.perf_counter(), None
    begun = begin_trim(trimming, now=now) if before.groups else None
    try:
        store.trim(client, trimming, until=until)
        if trimming.trimmed:
            after = store.read_states(client, [before.stream])[before.stream]
    finally:  # what was removed before an error was removed
        if trimming.trimmed:
            took = timedelta(seconds=time.perf_counter() - started)
            found = after if isinstance(after, StreamState) else None
            record_trim(trimming, before, found, now=now, took=took, begun=begun)
        elif begun is not None:
            TrimRun.objects.filter(pk=begun).delete()


def _set_holder(row: Stream, holder: str | None) -> None:
    if row.held_by != (holder or ""):
        Stream.objects.filter(pk=row.pk).update(held_by=holder or "")

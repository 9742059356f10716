"""Enforces limits: takes what is due, plans, trims, records. Decides nothing by itself; see engine.plan."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet

from streams import store
from streams.engine.plan import Skip, plan_trim
from streams.engine.state import StreamState
from streams.engine.trimming import Trimming
from streams.engine.words import size_text
from streams.models import Enforcement, StreamLimit, TrimRun
from tradeul_ops.connections import data_redis
from tradeul_ops.locks import one_at_a_time
from tradeul_ops.runs import Outcome

HISTORY_KEPT = 20_000  # runs: at five streams trimmed twice a minute, a day and a half
SWEEP_SECONDS = 4.0  # beat sends the next sweep after five
WHOLE_SWEEP = ""  # the stream of a TrimRun that is about all of them

logger = logging.getLogger(__name__)

_unrecorded: list[TrimRun] = []  # at most a sweep's worth: without PostgreSQL the next one reads no limits

Claimed = tuple[StreamLimit, datetime | None]  # a row, already moved on, and the due_at that it had


def enforce_limits(now: datetime) -> int:
    """Trims every stream that is past its threshold, and to maxlen those whose interval is over. Raises StoreError.

    Returns how many were trimmed. One at a time: a second one returns 0. What doesn't fit into a sweep's time comes
    first in the next.
    """
    with one_at_a_time("streams.enforce_limits") as mine:
        if not mine:
            return 0
        trimmed = _enforce(StreamLimit.objects.filter(enabled=True), due=_due(now), now=now)
        Enforcement.objects.update_or_create(id=1, defaults={"ran_at": now})
        return trimmed


def enforce_limit(stream: str, *, now: datetime) -> int:
    """Trims one stream to its maxlen, due or not, past its threshold or not. Raises StoreError."""
    return _enforce(StreamLimit.objects.filter(stream=stream, enabled=True), due=Q(), now=now)


def prune_history() -> int:
    """Keeps the newest HISTORY_KEPT runs; the totals stay, in Enforcement. Returns how many rows went."""
    return int(TrimRun.objects.prune(keep=HISTORY_KEPT))


def _due(now: datetime) -> Q:
    return Q(due_at__isnull=True) | Q(due_at__lte=now)


def _enforce(limits: QuerySet[StreamLimit], *, due: Q, now: datetime) -> int:
    until, trimmed = time.monotonic() + SWEEP_SECONDS, 0
    left: list[Claimed] = []
    _save_what_is_left()
    try:
        rows = list(limits)
        states = store.read_states(data_redis(), [row.stream for row in rows])
        left = _claim(limits.filter(due, stream__in=states), now=now)
        claimed = {row.pk for row, _ in left}
        while left:
            done, removed = _enforce_one(left[0][0], states[left[0][0].stream], due=True, until=until, now=now)
            trimmed += removed > 0
            if not done:
                return trimmed  # out of time
            del left[0]
        for row in rows:
            if row.pk not in claimed:
                done, removed = _enforce_one(row, states[row.stream], due=False, until=until, now=now)
                trimmed += removed > 0
                if not done:
                    break
    except store.StoreError as error:
        _record_failure(WHOLE_SWEEP, str(error), now=now)
        raise
    finally:
        for row, due_at in left:
            StreamLimit.objects.filter(pk=row.pk, due_at=row.due_at).update(due_at=due_at)
    return trimmed


def _claim(limits: QuerySet[StreamLimit], *, now: datetime) -> list[Claimed]:
    """Moves due_at on before the trim, so that an edit during it (NULL: at once) is not overwritten after it.

    The longest overdue come first. A row that somebody is just writing is left to the next sweep.
    """
    with transaction.atomic():
        rows = list(limits.select_for_update(skip_locked=True).order_by(F("due_at").asc(nulls_first=True)))
        claimed = [(row, row.due_at) for row in rows]
        for row in rows:
            row.due_at = _next(row, now)
        StreamLimit.objects.bulk_update(rows, ["due_at"], batch_size=500)
    return claimed


def _next(row: StreamLimit, now: datetime) -> datetime:
    """One interval after it was last due, not after that was noticed: sweeps are 5 s apart, and would add up."""
    on_time = (row.due_at or now) + row.trim_interval
    return on_time if on_time > now else now + row.trim_interval


def _enforce_one(
    row: StreamLimit, state: StreamState | store.StreamError, *, due: bool, until: float, now: datetime
) -> tuple[bool, int]:
    """Whether it is done, and how many entries went. Raises StoreError for what concerns more than this stream."""
    if isinstance(state, store.StreamError):
        _record_failure(row.stream, str(state), now=now)
        return True, 0
    plan = plan_trim(state, limit=row.limit, due=due, held=bool(row.held_by))
    if isinstance(plan, Skip):
        if state.length <= row.maxlen:
            _set_holder(row, None)
        return True, 0
    trimming = Trimming(plan)
    try:
        _trim(trimming, state, until=until, now=now)
    except store.StreamError as error:
        _record_failure(row.stream, str(error), now=now)
        return True, trimming.trimmed
    if trimming.done:
        _set_holder(row, trimming.held_by)
    return trimming.done, trimming.trimmed


def _trim(trimming: Trimming, before: StreamState, *, until: float, now: datetime) -> None:
    client, started, after = data_redis(), time.perf_counter(), None
    try:
        store.trim(client, trimming, until=until)
        if trimming.trimmed:
            after = store.read_states(client, [before.stream])[before.stream]
    finally:  # what was removed before an error was removed
        if trimming.trimmed:
            took = timedelta(seconds=time.perf_counter() - started)
            _record_trim(trimming, before, after if isinstance(after, StreamState) else None, now=now, took=took)


def _set_holder(row: StreamLimit, holder: str | None) -> None:
    if row.held_by != (holder or ""):
        StreamLimit.objects.filter(pk=row.pk).update(held_by=holder or "")


def _record_trim(
    trimming: Trimming, before: StreamState, after: StreamState | None, *, now: datetime, took: timedelta
) -> None:
    run = TrimRun(
        stream=before.stream,
        started_at=now,
        finished_at=now + took,
        outcome=Outcome.DONE if trimming.done else Outcome.PARTIAL,
        length_before=before.length,
        length_after=after.length if after else None,
        bytes_before=before.bytes,
        bytes_after=after.bytes if after else None,
        trimmed=trimming.trimmed,
        forced=trimming.forced,
        floor=trimming.floor or "",
        held_by=trimming.held_by or "",
        duration_us=trimming.duration_us,
    )
    run.detail = _sentence(run)
    if run.forced:
        logger.warning("%s", run.detail)
    _save(run)


def _save(run: TrimRun) -> None:
    """What was trimmed is trimmed: a record that can't be written now is kept for the next sweep."""
    try:
        _write(run)
    except (OperationalError, InterfaceError):
        _unrecorded.append(run)
        raise


def _save_what_is_left() -> None:
    with suppress(IndexError):  # another thread may take the last one
        while True:
            _save(_unrecorded.pop(0))


def _write(run: TrimRun) -> None:
    with transaction.atomic():
        run.save()
        Enforcement.objects.get_or_create(id=1)
        Enforcement.objects.filter(id=1).update(
            trims=F("trims") + 1,
            trimmed=F("trimmed") + run.trimmed,
            forced=F("forced") + run.forced,
            bytes_trimmed=F("bytes_trimmed") + (run.bytes_freed or 0),
        )


def _sentence(run: TrimRun) -> str:
    left = "" if run.length_after is None else f": {run.length_after:,} left"
    freed = "" if run.bytes_freed is None else f", about {size_text(run.bytes_freed)} freed"
    lost = f"; a group may still have needed {run.forced:,} of them, above the ceiling" if run.forced else ""
    held = f"; group {run.held_by} holds the rest" if run.held_by else ""
    return f"Trimmed {run.trimmed:,} entries from {run.stream}{left}{freed}{lost}{held}."


def _record_failure(stream: str, detail: str, *, now: datetime) -> None:
    """A failure that lasts prolongs its row, so that an outage does not wash the history out."""
    latest = TrimRun.objects.filter(stream=stream).first()
    if latest and latest.outcome == Outcome.FAILED and latest.detail == detail:
        TrimRun.objects.filter(pk=latest.pk).update(finished_at=now)
        return
    if stream != WHOLE_SWEEP:  # that one the task says
        logger.warning("%s", detail)
    TrimRun.objects.create(stream=stream, started_at=now, finished_at=now, outcome=Outcome.FAILED, detail=detail)

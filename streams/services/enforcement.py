"""Enforces limits: takes what is due, plans, trims, records. Decides nothing by itself; see engine.plan."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet

from streams import store
from streams.engine.limits import Limit
from streams.engine.plan import Skip, in_entries, plan_trim
from streams.engine.rules import Rules
from streams.engine.state import StreamState
from streams.engine.trimming import Trimming
from streams.engine.words import size_text
from streams.models import Enforcement, Stream, TrimRun
from streams.services.rules import bounded_elsewhere, load_rules, remember
from tradeul_ops.connections import data_redis
from tradeul_ops.locks import one_at_a_time
from tradeul_ops.runs import Outcome

HISTORY_KEPT = 20_000  # runs: at five streams trimmed twice a minute, a day and a half
SWEEP_SECONDS = 4.0  # beat sends the next sweep after five
WHOLE_SWEEP = ""  # the stream of a TrimRun that is about all of them

logger = logging.getLogger(__name__)

_unrecorded: list[TrimRun] = []  # at most a sweep's worth: without PostgreSQL the next one reads no limits

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
    _save_what_is_left()
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
        _record_failure(WHOLE_SWEEP, str(error), now=now)
        raise
    finally:
        for row, due_at in left:
            Stream.objects.filter(pk=row.pk, due_at=row.due_at).update(due_at=due_at)
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
        _record_failure(row.name, str(state), now=now)
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
        _record_failure(row.name, str(error), now=now)
        return True, trimming.trimmed
    if trimming.done:
        _set_holder(row, trimming.held_by)
    return trimming.done, trimming.trimmed


def _trim(trimming: Trimming, before: StreamState, *, until: float, now: datetime) -> None:
    client, started, after = data_redis(), time.perf_counter(), None
    begun = _begin(trimming, now=now) if before.groups else None
    try:
        store.trim(client, trimming, until=until)
        if trimming.trimmed:
            after = store.read_states(client, [before.stream])[before.stream]
    finally:  # what was removed before an error was removed
        if trimming.trimmed:
            took = timedelta(seconds=time.perf_counter() - started)
            found = after if isinstance(after, StreamState) else None
            _record_trim(trimming, before, found, now=now, took=took, begun=begun)
        elif begun is not None:
            TrimRun.objects.filter(pk=begun).delete()


def _begin(trimming: Trimming, *, now: datetime) -> int | None:
    """Puts a trim on record that will take what a group may need, before it does: this process may be killed in it.

    The id of the row, which the finished record replaces.
    """
    plan = trimming.trim
    above = plan.length - (plan.length if plan.hard_maxlen is None else plan.hard_maxlen)
    if above <= 0:
        return None
    run = TrimRun.objects.create(
        stream=plan.stream,
        started_at=now,
        finished_at=now,
        outcome=Outcome.PARTIAL,
        length_before=plan.length,
        detail=(
            f"Began to trim {plan.stream}: {above:,} of its {plan.length:,} entries are above its ceiling. "
            "Unless it is under way, what went is not known: the worker ended before it could say."
        ),
    )
    return int(run.pk)


def _set_holder(row: Stream, holder: str | None) -> None:
    if row.held_by != (holder or ""):
        Stream.objects.filter(pk=row.pk).update(held_by=holder or "")


def _record_trim(
    trimming: Trimming,
    before: StreamState,
    after: StreamState | None,
    *,
    now: datetime,
    took: timedelta,
    begun: int | None,
) -> None:
    run = TrimRun(
        pk=begun,
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
        losses={name: asdict(lost) for name, lost in trimming.losses.items()},
        stopped=trimming.stopped,
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
    lost = _lost(run)
    held = f"; group {run.held_by} holds the rest" if run.held_by else ""
    return f"Trimmed {run.trimmed:,} entries from {run.stream}{left}{freed}{lost}{held}."


def _lost(run: TrimRun) -> str:
    """“; above the ceiling group pricing lost 980 unread entries and 3 not acknowledged”."""
    where = "above the ceiling " if run.forced else ""
    told = []
    for name, lost in run.losses.items():
        unread = lost["undelivered"]
        parts = ["an unknown number of unread entries"] if unread is None else []
        parts += [f"{unread:,} unread entries"] if unread else []
        parts += [f"{lost['pending']:,} not acknowledged"] if lost["pending"] else []
        told.append(f"group {name} lost {' and '.join(parts)}")
    if told:
        return f"; {where}{', '.join(told)}"
    return f"; {run.forced:,} of them above the ceiling, none of which a group still needed" if run.forced else ""


def _record_failure(stream: str, detail: str, *, now: datetime) -> None:
    """A failure that lasts prolongs its row, so that an outage does not wash the history out."""
    latest = TrimRun.objects.filter(stream=stream).first()
    if latest and latest.outcome == Outcome.FAILED and latest.detail == detail:
        TrimRun.objects.filter(pk=latest.pk).update(finished_at=now)
        return
    if stream != WHOLE_SWEEP:  # that one the task says
        logger.warning("%s", detail)
    TrimRun.objects.create(stream=stream, started_at=now, finished_at=now, outcome=Outcome.FAILED, detail=detail)

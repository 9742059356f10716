"""Puts on record what trims did, and what they could not do. Trims nothing."""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F

from streams.engine.state import StreamState
from streams.engine.trimming import Trimming
from streams.engine.words import size_text
from streams.models import Enforcement, TrimRun
from tradeul_ops.runs import Outcome

WHOLE_SWEEP = ""  # the stream of a TrimRun that is about all of them

logger = logging.getLogger(__name__)

WRITTEN_AT_ONCE = 50  # one by one they took four fifths of a sweep's time

_unrecorded: list[TrimRun] = []  # at most a sweep's worth: without PostgreSQL the next one reads no limits
_taking = threading.Lock()


def begin_trim(trimming: Trimming, *, now: datetime) -> int | None:
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


def record_trim(
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
    _unrecorded.append(run)
    if len(_unrecorded) >= WRITTEN_AT_ONCE:
        save_what_is_left()


def save_what_is_left() -> None:
    """What was trimmed is trimmed: records that can't be written now are kept for the next sweep."""
    with _taking:  # an edit's trim may run beside a sweep
        runs, _unrecorded[:] = list(_unrecorded), []
    try:
        if runs:
            _write(runs)
    except (OperationalError, InterfaceError):
        _unrecorded[:0] = runs
        raise


def _write(runs: list[TrimRun]) -> None:
    with transaction.atomic():
        for run in runs:
            if run.pk is not None:
                run.save()
        TrimRun.objects.bulk_create([run for run in runs if run.pk is None])
        Enforcement.objects.get_or_create(id=1)
        Enforcement.objects.filter(id=1).update(
            trims=F("trims") + len(runs),
            trimmed=F("trimmed") + sum(run.trimmed for run in runs),
            forced=F("forced") + sum(run.forced for run in runs),
            bytes_trimmed=F("bytes_trimmed") + sum(run.bytes_freed or 0 for run in runs),
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


def record_failure(stream: str, detail: str, *, now: datetime) -> None:
    """A failure that lasts prolongs its row, so that an outage does not wash the history out."""
    save_what_is_left()
    latest = TrimRun.objects.filter(stream=stream).first()
    if latest and latest.outcome == Outcome.FAILED and latest.detail == detail:
        TrimRun.objects.filter(pk=latest.pk).update(finished_at=now)
        return
    if stream != WHOLE_SWEEP:  # that one the task says
        logger.warning("%s", detail)
    TrimRun.objects.create(stream=stream, started_at=now, finished_at=now, outcome=Outcome.FAILED, detail=detail)

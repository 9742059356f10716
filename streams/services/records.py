"""Puts on record what trims did, and what they could not do. Trims nothing."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import InterfaceError, OperationalError, connection, transaction

from streams import store
from streams.engine.plan import may_lose
from streams.engine.trimming import Trimming, bytes_freed
from streams.engine.words import size_text
from streams.models import Enforcement, TrimRun
from tradeul_ops.runs import Outcome

WHOLE_SWEEP = ""  # the stream of a TrimRun that is about all of them

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Record:
    """A TrimRun to be written, by its columns. Five hundred instances of the model take longer than their trims."""

    stream: str
    started_at: datetime
    finished_at: datetime
    outcome: str
    length_before: int
    length_after: int | None = None
    bytes_before: int | None = None
    bytes_after: int | None = None
    trimmed: int
    forced: int = 0
    floor: str = ""
    held_by: str = ""
    losses: dict[str, Any] = field(default_factory=dict)
    stopped: str = ""
    duration_us: int = 0
    detail: str = ""
    by_others: bool = False


class Batch(NamedTuple):
    """What one call of store.trim did, by the key under which it was begun. `late`: its record could not be written."""

    key: str
    records: list[Record]
    late: bool = False


_COLUMNS = tuple(one.name for one in fields(Record))
# To be written. At most a sweep's worth: without PostgreSQL the next one reads no limits.
_unrecorded: list[Batch] = []
_taking = threading.Lock()


def record_trims(trimmings: Iterable[Trimming], *, begun: str, now: datetime) -> None:
    """One that the server would not trim is recorded as a failure. `begun`: see under_way.trims_begun."""
    done = list(trimmings)
    found = [_record(one, now=now) for one in done if one.trimmed]
    found += [
        unknown(one.trim.stream, one.trim.length, may_lose(one.trim), at=now)
        for one in done
        if one.unanswered and not one.trimmed
    ]
    _unrecorded.append(Batch(begun, found))  # before anything that can fail
    for run in (run for run in found if run.forced):
        logger.warning("%s", run.detail)
    for one in (one for one in done if one.refused and one.away is None):
        record_failure(one.trim.stream, one.refused, now=now)
    record_away([one.away for one in done if one.away is not None], now=now)
    save_what_is_left()


def unknown(stream: str, length: int, why: str, *, at: datetime, trimmed: int = 0) -> Record:
    """Of a trim that was begun and whose end nobody saw: at least `trimmed` went. `why`: see plan.may_lose."""
    because = f": {why}" if why else ""
    known = f"At least {trimmed:,} entries went; more" if trimmed else "What went"
    return Record(
        stream=stream,
        started_at=at,
        finished_at=at,
        outcome=Outcome.PARTIAL,
        length_before=length,
        trimmed=trimmed,
        detail=f"Began to trim {stream}{because}. {known} is not known: nobody saw its end.",
    )


def _record(trimming: Trimming, *, now: datetime) -> Record:
    trim = trimming.trim
    run = Record(
        stream=trim.stream,
        started_at=now,
        finished_at=now + timedelta(microseconds=trimming.duration_us),
        outcome=Outcome.DONE if trimming.done else Outcome.PARTIAL,
        length_before=trim.length,
        length_after=trimming.length,
        bytes_before=trim.bytes,
        bytes_after=trimming.bytes,
        trimmed=trimming.trimmed,
        forced=trimming.forced,
        floor=trimming.floor or "",
        held_by=trimming.held_by or "",
        losses={name: asdict(lost) for name, lost in trimming.losses.items()},
        stopped=trimming.stopped,
        duration_us=trimming.duration_us,
    )
    run.detail = _sentence(run)
    if trimming.unanswered:
        run.detail += " Its last call got no answer: what that one took is not known."
    return run


def save_what_is_left() -> None:
    """What was trimmed is trimmed: records that can't be written now are kept for the next sweep."""
    with _taking:  # an edit's trim may run beside a sweep
        batches, _unrecorded[:] = list(_unrecorded), []
    try:
        if batches:
            _write(batches)
    except (OperationalError, InterfaceError):
        _unrecorded[:0] = [one._replace(late=True) for one in batches]
        raise


def waiting() -> set[str]:
    """Keys of the batches whose records are still to be written here."""
    return {one.key for one in _unrecorded}


def write_for(another: Batch) -> None:
    """Of what another process began, unless that one has come and written it."""
    with transaction.atomic():
        if another.key in _under_way():
            _write([another])


def _write(batches: Collection[Batch]) -> None:
    late = [one for one in batches if one.late]
    runs = [run for one in batches for run in one.records]
    totals = {
        "trims": sum(run.trimmed > 0 for run in runs),
        "trimmed": sum(run.trimmed for run in runs),
        "forced": sum(run.forced for run in runs),
        "bytes": sum(bytes_freed(run.bytes_before, run.bytes_after) or 0 for run in runs),
    }
    done = [one.key for one in batches]
    with transaction.atomic() if late else nullcontext():
        for one in late:
            _take_back(one, totals)
        store.record_trims(connection, [vars(run) for run in runs], columns=_COLUMNS, totals=totals, done=done)


def _take_back(late: Batch, totals: dict[str, int]) -> None:
    """Where another process took this one for dead, and told of its trims by what it could see."""
    if late.key in _under_way():
        return
    for run in late.records:
        told = TrimRun.objects.filter(stream=run.stream, started_at=run.started_at, length_after=None, by_others=False)
        for trimmed in told.values_list("trimmed", flat=True):
            totals["trims"] -= trimmed > 0
            totals["trimmed"] -= trimmed
        told.delete()


def _under_way() -> dict[str, Any]:
    """Nobody ends a batch until this transaction is over."""
    return Enforcement.objects.select_for_update().values_list("under_way", flat=True).first() or {}


def _sentence(run: Record) -> str:
    left = "" if run.length_after is None else f": {run.length_after:,} left"
    size = bytes_freed(run.bytes_before, run.bytes_after)
    freed = "" if size is None else f", about {size_text(size)} freed"
    lost = losses_text(run)
    held = f"; group {run.held_by} holds the rest" if run.held_by else ""
    return f"Trimmed {run.trimmed:,} entries from {run.stream}{left}{freed}{lost}{held}."


def losses_text(run: Record | TrimRun) -> str:
    """“; above the ceiling group pricing lost 980 unread entries and 3 not acknowledged”."""
    where = "above the ceiling " if run.forced and not run.by_others else ""
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


def record_away(nodes: Iterable[str], *, now: datetime) -> None:
    """`nodes`: of each stream that was not reached. One row for all, whatever each stream's error said."""
    found = Counter(nodes)
    if found:
        told = [f"{node or 'No node'} has {count} streams" for node, count in sorted(found.items())]
        detail = f"Nodes of the cluster do not answer, and their streams are not trimmed: {', '.join(told)}."
        record_failure(WHOLE_SWEEP, detail, now=now)

"""Puts on record what trims did, and what they could not do. Trims nothing."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F

from streams import store
from streams.engine.plan import Trim, may_lose
from streams.engine.trimming import Trimming, bytes_freed
from streams.engine.words import size_text
from streams.models import Enforcement, TrimRun
from tradeul_ops.runs import Outcome

TRIMS = "streams.trims"  # what a trim holds until it is recorded, and a sample until the streams are read
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
    length_after: int
    bytes_before: int | None
    bytes_after: int | None
    trimmed: int
    forced: int
    floor: str
    held_by: str
    losses: dict[str, Any]
    stopped: str
    duration_us: int
    detail: str = ""
    by_others: bool = False


# What is to be written: a run, and the id of the row that said it was begun. At most a sweep's worth: without
# PostgreSQL the next one reads no limits.
_unrecorded: list[tuple[Record | None, int | None]] = []
_taking = threading.Lock()


def begin_trims(trimmings: Iterable[Trimming], *, now: datetime) -> dict[str, int]:
    """Puts trims on record that may take what a group needs, before they do: this process may be killed in one.

    Stream → the id of a row that the finished record replaces.
    """
    runs = [_begun(one.trim, why, now=now) for one in trimmings if (why := may_lose(one.trim))]
    return {run.stream: int(run.pk) for run in TrimRun.objects.bulk_create(runs)}


def _begun(trim: Trim, why: str, *, now: datetime) -> TrimRun:
    return TrimRun(
        stream=trim.stream,
        started_at=now,
        finished_at=now,
        outcome=Outcome.PARTIAL,
        length_before=trim.length,
        detail=(
            f"Began to trim {trim.stream}: {why}. "
            "Unless it is under way, what went is not known: the worker ended before it could say."
        ),
    )


def record_trims(
    trimmings: Collection[Trimming], sizes: Mapping[str, int | None], *, begun: Mapping[str, int], now: datetime
) -> None:
    """`sizes`: stream → bytes after it. One that the server would not trim is recorded as a failure."""
    for trimming in trimmings:
        stream = trimming.trim.stream
        if trimming.trimmed:
            run = _record(trimming, sizes.get(stream), now=now)
            if trimming.unanswered and stream in begun:
                run.detail += " Its last call got no answer: what that one took is not known."
            if run.forced:
                logger.warning("%s", run.detail)
            _unrecorded.append((run, begun.get(stream)))
        elif stream in begun and not trimming.unanswered:
            _unrecorded.append((None, begun[stream]))
        if trimming.refused and trimming.away is None:
            record_failure(stream, trimming.refused, now=now)
    record_away([one.away for one in trimmings if one.away is not None], now=now)
    save_what_is_left()


def _record(trimming: Trimming, bytes_after: int | None, *, now: datetime) -> Record:
    trim = trimming.trim
    run = Record(
        stream=trim.stream,
        started_at=now,
        finished_at=now + timedelta(microseconds=trimming.duration_us),
        outcome=Outcome.DONE if trimming.done else Outcome.PARTIAL,
        length_before=trim.length,
        length_after=trimming.length,
        bytes_before=trim.bytes,
        bytes_after=bytes_after,
        trimmed=trimming.trimmed,
        forced=trimming.forced,
        floor=trimming.floor or "",
        held_by=trimming.held_by or "",
        losses={name: asdict(lost) for name, lost in trimming.losses.items()},
        stopped=trimming.stopped,
        duration_us=trimming.duration_us,
    )
    run.detail = _sentence(run)
    return run


def save_what_is_left() -> None:
    """What was trimmed is trimmed: records that can't be written now are kept for the next sweep."""
    with _taking:  # an edit's trim may run beside a sweep
        records, _unrecorded[:] = list(_unrecorded), []
    try:
        if records:
            _write([run for run, _ in records if run], begun=[id for _, id in records if id is not None])
    except (OperationalError, InterfaceError):
        _unrecorded[:0] = records
        raise


def all_written() -> bool:
    return not _unrecorded


def _write(runs: list[Record], *, begun: list[int]) -> None:
    with transaction.atomic():
        TrimRun.objects.filter(pk__in=begun).delete()
        store.insert(connection, TrimRun._meta.db_table, [vars(run) for run in runs])
        Enforcement.objects.get_or_create(id=1)
        Enforcement.objects.filter(id=1).update(
            trims=F("trims") + len(runs),
            trimmed=F("trimmed") + sum(run.trimmed for run in runs),
            forced=F("forced") + sum(run.forced for run in runs),
            bytes_trimmed=F("bytes_trimmed") + sum(bytes_freed(run.bytes_before, run.bytes_after) or 0 for run in runs),
        )


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

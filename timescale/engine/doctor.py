"""Says of each job whether it does its work, and if not, why and what cures it. Reads no clock and no server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from timescale.engine.drift import Job
from timescale.engine.durations import spell
from timescale.engine.policies import WantedView

PATIENCE = timedelta(minutes=2)  # the scheduler starts what is due within seconds
_NO_WORKER = ("out of background workers", "failed to start a background worker")


@dataclass(frozen=True)
class Diagnosis:
    job: Job
    word: Literal["within", "attention"]
    text: str
    cure: str = ""


def diagnose(job: Job, *, now: datetime, workers: int | None, applied_at: datetime | None) -> Diagnosis:
    """`workers`: how many the server allows; `applied_at`: when the job was made or last found right."""
    if not job.scheduled:
        return Diagnosis(job, "attention", "Paused: nothing runs it.", "Re-apply the policy to make it run again.")
    if job.failed:
        return _failed(job, workers)
    if job.last_run is None:
        return _never_ran(job, now=now, workers=workers, applied_at=applied_at)
    worked = job.worked_at
    late = worked is None or now - worked > 2 * job.schedule_interval + PATIENCE
    if late and job.status != "Running":
        since = f"no success for {spell(now - worked)}" if worked else "no success yet"
        text = f"Late: {since}, and it should run every {spell(job.schedule_interval)}."
        return Diagnosis(job, "attention", text, _cure_of_workers(workers))
    if job.status == "Running":
        return Diagnosis(job, "within", "Running now.")
    if job.failed_after_work:
        return Diagnosis(job, "within", "Works: its last run did all it had to, though the server counts it as failed.")
    return Diagnosis(job, "within", "Works.")


def is_overdue(job: Job, *, now: datetime) -> bool:
    """Whether the server lets a job wait for failures that were none: its interval is over, its next start is not."""
    if not job.failed_after_work or not job.scheduled or job.status == "Running" or job.last_run is None:
        return False
    return job.next_start is not None and job.next_start > now >= job.last_run + job.schedule_interval


def trouble_of(jobs: Iterable[Job], *, postgres: str, extension: str | None) -> str:
    """What the server does wrong with every job, in one sentence for all of them; empty where it does not."""
    if not any(job.failed_after_work for job in jobs):
        return ""
    return (
        f"PostgreSQL {postgres} refuses how TimescaleDB {extension or 'of this version'} ends a job: each run does its "
        "work, is counted as failed, and the next would come late. Beat starts them on time. The cure is a release of "
        "TimescaleDB that fits this PostgreSQL."
    )


def _failed(job: Job, workers: int | None) -> Diagnosis:
    message = job.last_error or "the server kept no message"
    times = job.failures_in_a_row or 1
    text = f"Failed{f' {times} times in a row' if times > 1 else ''}: {message.rstrip('.')}."
    if any(sign in message.lower() for sign in _NO_WORKER):
        return Diagnosis(job, "attention", f"Out of background workers. {text}", _cure_of_workers(workers))
    return Diagnosis(
        job, "attention", text, "Mend the cause, then retry. The server tries again by itself, later each time."
    )


def _never_ran(job: Job, *, now: datetime, workers: int | None, applied_at: datetime | None) -> Diagnosis:
    if job.next_start is not None and job.next_start > now - PATIENCE:
        return Diagnosis(job, "within", "Has not run yet.")
    due = job.next_start or applied_at
    if due is None or now - due <= PATIENCE:
        return Diagnosis(job, "within", "Has not run yet; the server starts it within seconds.")
    text = f"Has never run, and was due {spell(now - due)} ago: no background worker took it."
    return Diagnosis(job, "attention", text, _cure_of_workers(workers))


def _cure_of_workers(workers: int | None) -> str:
    allowed = "an unknown number of" if workers is None else str(workers)
    return (
        f"The server allows {allowed} background workers for all databases together. Raise "
        "timescaledb.max_background_workers, and max_worker_processes above it, and restart PostgreSQL."
    )


def unread_since(
    wanted: WantedView, *, watermark: datetime | None, newest: datetime | None, now: datetime
) -> datetime | None:
    """From when on the first row of the source has to be looked for, to tell whether an aggregate is behind.

    None: it is not. `newest`: the source's last row. Never refreshed is as far as the policy reaches.
    """
    since = watermark or now - wanted.start_offset
    return since if newest is not None and min(newest, _due(wanted, now=now)) > since else None


def behind(wanted: WantedView, *, unread: datetime | None, now: datetime) -> timedelta | None:
    """How far an aggregate is behind of what its refresh should have reached; None: it is not.

    `unread`: the first row of the source beyond what it holds. After a night without rows the new ones are not due yet,
    and the hours between are no delay.
    """
    due = _due(wanted, now=now)
    return due - unread if unread is not None and unread < due else None


def _due(wanted: WantedView, *, now: datetime) -> datetime:
    """What a run at the latest allowed moment would have reached, at the beginning of its bucket."""
    return now - wanted.end_offset - wanted.schedule_interval - wanted.bucket_width - PATIENCE

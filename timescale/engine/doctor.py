"""Says of each job whether it does its work, and if not, why and what cures it. Reads no clock and no server."""

from __future__ import annotations

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
    if job.last_status == "Failed":
        return _failed(job, workers)
    if job.last_run is None:
        return _never_ran(job, now=now, workers=workers, applied_at=applied_at)
    late = job.last_ok is None or now - job.last_ok > 2 * job.schedule_interval + PATIENCE
    if late and job.status != "Running":
        since = f"no success for {spell(now - job.last_ok)}" if job.last_ok else "no success yet"
        text = f"Late: {since}, and it should run every {spell(job.schedule_interval)}."
        return Diagnosis(job, "attention", text, _cure_of_workers(workers))
    return Diagnosis(job, "within", "Running now." if job.status == "Running" else "Works.")


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


def behind(
    wanted: WantedView, *, watermark: datetime | None, newest: datetime | None, now: datetime
) -> timedelta | None:
    """How far an aggregate is behind of what its source has and its refresh should have reached; None: it is not.

    A source without new rows leaves it where it is: that is not behind. Never refreshed is as far as the rows reach.
    """
    if newest is None:
        return None
    # What a run at the latest allowed moment would have reached, at the beginning of its bucket.
    due = min(newest, now - wanted.end_offset - wanted.schedule_interval) - wanted.bucket_width - PATIENCE
    if watermark is None:
        reach = now - wanted.start_offset
        return due - reach if due > reach else None
    return due - watermark if due > watermark else None

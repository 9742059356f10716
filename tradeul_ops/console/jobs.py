"""What runs by itself, side by side: Celery's tasks by beat's table, and TimescaleDB's jobs. Runs one when asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from celery import signature
from django.utils.translation import gettext, ngettext
from kombu.exceptions import OperationalError as BrokerError

from timescale.engine.doctor import Diagnosis
from timescale.metrics import HypertablesSummary, hypertables_summary
from tradeul_ops import audit
from tradeul_ops.celery import app
from tradeul_ops.console.panels import Panel, read
from tradeul_ops.task_runs import Ended, TaskRuns, read_task_runs

NAMED = 3  # in a sentence
LATE_AFTER = timedelta(seconds=30)  # beyond two intervals: a restart, or a task before it that took its time
# Whoever may change what a task acts on may run it now. Pruning deletes audit lines.
PERMISSIONS = {
    "streams": "streams.change_streamlimit",
    "snapshots": "snapshots.change_snapshotpolicy",
    "timescale": "timescale.act_on_tables",
    "console": "admin.delete_logentry",
}


class JobRefused(Exception):
    """The message says why it can't be run now."""


@dataclass(frozen=True)
class Task:
    """An entry of beat's table. `next_at`: by the last run and the interval; None: it has not run within 30 days."""

    what: str
    task: str
    every: timedelta
    succeeded: Ended | None
    failed: Ended | None
    next_at: datetime | None
    condition: str
    why: str
    permission: str


@dataclass(frozen=True)
class TimescaleJob:
    """`what` and `policy_id` lead to the page where it can be run."""

    what: str
    policy_id: int
    relation: str
    diagnosis: Diagnosis


@dataclass(frozen=True)
class Jobs:
    """`tasks.value` None: the broker does not answer. `jobs` is empty on an edition without jobs."""

    tasks: Panel[tuple[Task, ...]]
    tables: Panel[HypertablesSummary]
    jobs: tuple[TimescaleJob, ...]
    read_at: datetime

    @property
    def condition(self) -> str:
        """One that has not run yet is no failure: hourly ones take an hour. None that has is."""
        words = {task.condition for task in self.tasks.value or ()} | {job.diagnosis.word for job in self.jobs}
        if not self.tasks.stale and not self.tables.stale and words != {"unknown"}:
            words.discard("unknown")
        else:
            words.add("unknown")
        return next((word for word in ("over", "unknown", "attention") if word in words), "within")

    @property
    def sentence(self) -> str:
        if self.tasks.stale:
            return gettext("The broker does not answer: {error}. No task is sent or taken.").format(
                error=self.tasks.error
            )
        tasks = self.tasks.value or ()
        sick = [task.what for task in tasks if task.condition in ("over", "attention")]
        sick += [f"{job.diagnosis.job.kind} of {job.relation}" for job in self.jobs if job.diagnosis.word != "within"]
        said = []
        if sick:
            said.append(_do_not_work(sick, of=len(tasks) + len(self.jobs)))
        elif self.tables.stale:
            return gettext("PostgreSQL's jobs could not be read: {error}.").format(error=self.tables.error)
        new = sum(task.condition == "unknown" for task in tasks)
        if not sick:
            said.append(_work(len(tasks) - new, of=len(tasks), jobs=len(self.jobs)))
        if new:
            said.append(
                ngettext(
                    "{number} has not run yet, as far as the broker remembers.",
                    "{number} have not run yet, as far as the broker remembers.",
                    new,
                ).format(number=new)
            )
        return " ".join(said)


def read_jobs(*, now: datetime) -> Jobs:
    """One round trip to the broker, and the queries of one reading of the tables."""
    tasks = read("Celery's tasks", _tasks, now=now)
    tables = read("TimescaleDB", hypertables_summary, now=now)
    return Jobs(tasks, tables, tuple(_timescale_jobs(tables.value)) if tables.value else (), now)


def run_task_now(task: str, *, user_id: int) -> None:
    """Sends it to a worker, with an audit line. Raises JobRefused."""
    if task not in {name for _, name, _ in _entries()}:
        raise JobRefused(gettext("Beat's table has no task {task}.").format(task=task))
    every = next(interval for _, name, interval in _entries() if name == task)
    try:
        signature(task).apply_async(expires=max(60.0, every.total_seconds()))
    except BrokerError as error:
        raise JobRefused(
            gettext("The broker does not answer ({error}): no worker knows of it.").format(error=error)
        ) from error
    audit.record_deed(user_id=user_id, name=task, said="Run now, by hand.")


def _do_not_work(names: Sequence[str], *, of: int) -> str:
    said = ngettext("{number} of {of} does not work: {names}", "{number} of {of} do not work: {names}", len(names))
    said = said.format(number=len(names), of=of, names=", ".join(names[:NAMED]))
    if len(names) > NAMED:
        said += gettext(" and {number} more").format(number=len(names) - NAMED)
    return f"{said}."


def _work(number: int, *, of: int, jobs: int) -> str:
    if jobs:
        said = gettext("All {of} tasks and {jobs} TimescaleDB jobs work.")
        said = said if number == of else gettext("{number} of {of} tasks and {jobs} TimescaleDB jobs work.")
        return said.format(number=number, of=of, jobs=jobs)
    said = gettext("All {of} tasks work.") if number == of else gettext("{number} of {of} tasks work.")
    return said.format(number=number, of=of)


def permission_of(task: str) -> str:
    return PERMISSIONS.get(task.partition(".")[0], "admin.delete_logentry")


def _entries() -> Iterator[tuple[str, str, timedelta]]:
    for what, entry in app.conf.beat_schedule.items():
        yield what, entry["task"], entry["schedule"]


def _tasks(*, now: datetime) -> tuple[Task, ...]:
    runs: Mapping[str, TaskRuns] = read_task_runs()
    return tuple(_task(what, name, every, runs.get(name, TaskRuns()), now) for what, name, every in _entries())


def _task(what: str, name: str, every: timedelta, runs: TaskRuns, now: datetime) -> Task:
    last = max((run.at for run in (runs.succeeded, runs.failed) if run), default=None)
    condition, why = _judged(every, runs, last, now)
    return Task(
        what=what,
        task=name,
        every=every,
        succeeded=runs.succeeded,
        failed=runs.failed,
        next_at=last + every if last else None,
        condition=condition,
        why=why,
        permission=permission_of(name),
    )


def _judged(every: timedelta, runs: TaskRuns, last: datetime | None, now: datetime) -> tuple[str, str]:
    if last is None:
        return "unknown", gettext("Not yet, as far as the broker remembers.")
    if now - last > 2 * every + LATE_AFTER:
        return "over", gettext("Late: is there a worker, and beat?")
    if runs.failed and (runs.succeeded is None or runs.failed.at > runs.succeeded.at):
        return "attention", gettext("Its last run could not do its work.")
    return "within", gettext("Works.")


def _timescale_jobs(summary: HypertablesSummary) -> Iterator[TimescaleJob]:
    for row in summary.rows:
        for diagnosis in row.diagnoses:
            yield TimescaleJob("tables", row.policy_id, row.table, diagnosis)
    for view in summary.aggregates:
        for diagnosis in view.diagnoses:
            yield TimescaleJob("aggregates", view.policy_id, view.view, diagnosis)

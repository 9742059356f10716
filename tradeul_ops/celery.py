"""The Celery app, and everything that beat does, as one table. Holds no work: each task is a door into a service."""

import os
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.signals import (
    beat_init,
    before_task_publish,
    heartbeat_sent,
    setup_logging,
    task_failure,
    task_postrun,
    task_prerun,
    task_success,
    worker_init,
)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradeul_ops.settings")

app = Celery("tradeul_ops")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_configure.connect  # type: ignore[untyped-decorator]  # celery has no types
def _check_settings(**_: object) -> None:
    from tradeul_ops.env import check_settings

    check_settings()


def _every(task: str, **interval: float) -> dict[str, object]:
    """An entry whose message dies when the next one is sent: a slow task never queues behind itself."""
    period = timedelta(**interval)
    return {"task": task, "schedule": period, "options": {"expires": period.total_seconds()}}


app.conf.beat_schedule = {
    # what                        task                                how often
    "trim what is due": _every("streams.enforce_limits", seconds=5),
    "sample streams": _every("streams.take_samples", seconds=10),
    "publish limits again": _every("streams.publish_limits", seconds=30),
    "look for streams": _every("streams.discover_streams", seconds=15),
    "build snapshots": _every("snapshots.build_snapshots", seconds=5),
    "publish snapshot policies again": _every("snapshots.publish_policies", seconds=30),
    "restore snapshots for a test": _every("snapshots.test_restores", minutes=10),
    "drop rows past retention": _every("timescale.enforce_retention", seconds=30),
    "refresh what came late": _every("timescale.refresh_missed", seconds=60),
    "compare policies": _every("timescale.reconcile_policies", seconds=60),
    "sample the tables": _every("timescale.take_samples", minutes=5),
    "note findings": _every("console.note_findings", seconds=15),
    "prune the audit and sessions": _every("console.prune_history", hours=1),
    "prune stream history": _every("streams.prune_history", hours=1),
    "thin stream samples": _every("streams.prune_samples", minutes=1),
    "prune snapshot history": _every("snapshots.prune_history", hours=1),
    "prune timescale history": _every("timescale.prune_history", hours=1),
}


@worker_init.connect  # type: ignore[untyped-decorator]  # celery has no types
@beat_init.connect  # type: ignore[untyped-decorator]
def _before_threads(**_: object) -> None:
    from tradeul_ops import memory

    memory.share_one_arena()


@heartbeat_sent.connect  # type: ignore[untyped-decorator]  # celery has no types
def _stamp(**_: object) -> None:
    """Every two seconds, beside the threads that do the tasks."""
    from tradeul_ops import liveness, memory

    liveness.stamp("worker")
    memory.give_back()


@before_task_publish.connect  # type: ignore[untyped-decorator]
def _hand_on(headers: dict[str, Any], **_: object) -> None:
    """The id of the request or task that sends it; beat's have none, and go by their own."""
    from tradeul_ops.logs import current_id

    if said := current_id.get():
        headers["sent_by"] = said


@task_prerun.connect  # type: ignore[untyped-decorator]
def _started(task_id: str, task: Any, **_: object) -> None:
    from django.db import close_old_connections

    from tradeul_ops import task_runs
    from tradeul_ops.logs import current_id

    if not task.request.is_eager:  # otherwise it runs inside of what sent it
        current_id.set(str(task.request.get("sent_by") or task_id))
        close_old_connections()
    task_runs.listen()
    task_runs.started()


@task_success.connect  # type: ignore[untyped-decorator]
def _succeeded(sender: Any = None, **_: object) -> None:
    from tradeul_ops import task_runs

    task_runs.ended(sender.name)


@task_failure.connect  # type: ignore[untyped-decorator]
def _failed(sender: Any = None, exception: object = None, **_: object) -> None:
    from tradeul_ops import task_runs

    task_runs.ended(sender.name, why=f"{type(exception).__name__}: {exception}")


@task_postrun.connect  # type: ignore[untyped-decorator]
def _over(task: Any, **_: object) -> None:
    from django.db import close_old_connections

    from tradeul_ops.logs import current_id

    if not task.request.is_eager:
        current_id.set("")
        close_old_connections()


@setup_logging.connect  # type: ignore[untyped-decorator]
def _keep_django_logging(**_: object) -> None:
    """Being connected is all: Celery then leaves the logging of settings.LOGGING alone."""
    from logging.config import dictConfig

    from django.conf import settings

    dictConfig(settings.LOGGING)

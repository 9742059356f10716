"""Starts the jobs that the server's own backoff keeps waiting for failures that were none. Runs none of them itself."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import connection, transaction

from timescale.engine.doctor import is_overdue
from timescale.engine.drift import Job
from timescale.store import actions, catalog
from timescale.store.errors import ServerAway, TimescaleError

logger = logging.getLogger(__name__)


def start_overdue_jobs(*, now: datetime) -> tuple[Job, ...]:
    """Makes them due at once, and answers which; the scheduler runs them within seconds. Raises ServerAway.

    A retention that waits its grace is left alone: its job is new, and has not run.
    """
    started = []
    for job in catalog.read_catalog(connection).jobs:
        if not is_overdue(job, now=now):
            continue
        try:
            with transaction.atomic():
                actions.retry_job(connection, job.job_id, relation=job.relation)
        except ServerAway:
            raise
        except TimescaleError as error:
            logger.warning("job %s not started: %s", job.job_id, error)
            continue
        started.append(job)
    return tuple(started)

"""Reads TimescaleDB's policy jobs, and what came of their runs. Runs none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.backends.base.base import BaseDatabaseWrapper

from timescale.engine.aspects import ENDS_BADLY
from timescale.engine.drift import Job, Kind
from timescale.store.errors import naming
from timescale.store.reading import rows

# Until 2.19 an aggregate's jobs are listed under its materialization, since 2.20 under the view: the join takes both.
# Times can be -infinity, which no Python datetime can be. add_columnstore_policy's job is called policy_compression.
# Successes are in no history by default, failures are: those since the last success are the ones in a row.
_JOBS = """
SELECT j.job_id,
       CASE j.proc_name WHEN 'policy_retention' THEN 'retention' WHEN 'policy_compression' THEN 'columnstore'
                        ELSE 'refresh' END,
       COALESCE(ca.view_name, j.hypertable_name),
       COALESCE(j.config->>'drop_after', j.config->>'compress_after')::interval,
       (j.config->>'start_offset')::interval,
       (j.config->>'end_offset')::interval,
       j.schedule_interval,
       j.scheduled,
       NULLIF(s.last_run_started_at, '-infinity'),
       NULLIF(s.last_successful_finish, '-infinity'),
       s.last_run_status,
       CASE WHEN s.last_run_status = 'Failed' THEN e.message END,
       CASE WHEN isfinite(s.next_start) THEN s.next_start END,
       s.job_status,
       COALESCE(s.total_runs, 0),
       COALESCE(s.total_failures, 0),
       e.in_a_row,
       CASE WHEN s.last_run_status = 'Failed' THEN e.code END
FROM timescaledb_information.jobs j
LEFT JOIN timescaledb_information.job_stats s USING (job_id)
LEFT JOIN timescaledb_information.continuous_aggregates ca
  ON (j.hypertable_schema, j.hypertable_name) IN
     ((ca.view_schema, ca.view_name), (ca.materialization_hypertable_schema, ca.materialization_hypertable_name))
CROSS JOIN LATERAL (
    SELECT count(*) AS in_a_row, (array_agg(f.err_message ORDER BY f.start_time DESC))[1] AS message,
           (array_agg(f.sqlerrcode ORDER BY f.start_time DESC))[1] AS code
    FROM timescaledb_information.job_errors f
    WHERE f.job_id = j.job_id AND f.start_time > COALESCE(s.last_successful_finish, '-infinity')
) e
WHERE j.proc_name IN ('policy_retention', 'policy_compression', 'policy_refresh_continuous_aggregate')
  AND COALESCE(ca.view_schema, j.hypertable_schema) = ANY (current_schemas(false))
ORDER BY j.job_id
"""
_HISTORY = """
SELECT job_id, start_time, finish_time, succeeded, COALESCE(err_message, ''), sqlerrcode
FROM timescaledb_information.job_history WHERE job_id = ANY (%s)
ORDER BY start_time DESC NULLS LAST LIMIT %s
"""


@dataclass(frozen=True)
class JobRun:
    """A run that the server remembers: failures always, successes where it is told to log them."""

    job_id: int
    started_at: datetime | None
    finished_at: datetime | None
    succeeded: bool
    message: str
    code: str | None = None  # SQLSTATE

    @property
    def failed_after_work(self) -> bool:
        return not self.succeeded and self.code == ENDS_BADLY


def read_jobs(connection: BaseDatabaseWrapper) -> tuple[Job, ...]:
    return tuple(Job(job_id, Kind(kind), *rest) for job_id, kind, *rest in rows(connection, _JOBS))


def read_job_history(connection: BaseDatabaseWrapper, job_ids: Sequence[int], *, limit: int = 20) -> tuple[JobRun, ...]:
    """The newest first. Not before 2.15, and of jobs that this role owns."""
    with naming("the job history"):
        return tuple(JobRun(*row) for row in rows(connection, _HISTORY, [list(job_ids), limit]))

"""Jobs as TimescaleDB's own scheduler runs them: on a server with background workers, nobody calling them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tests.timescale.conftest import as_default, migrate
from tests.timescale.factories import DAY, HOUR, copy_scans, scan
from tests.timescale.servers import WITH_WORKERS, new_database, timescale_server
from tests.timescale.standing import ask
from timescale import services
from timescale.engine.edition import Edition
from timescale.metrics import hypertables_summary
from timescale.services.adoption import upgrade
from timescale.services.verify import verify
from timescale.store import catalog
from timescale.store.catalog import read_catalog

A_WHILE = timedelta(seconds=60)


@pytest.fixture
def with_workers(tmp_path_factory, docker_answers, django_db_blocker):
    folder = tmp_path_factory.mktemp("workers")
    with (
        django_db_blocker.unblock(),
        timescale_server(Edition.COMMUNITY, folder, docker_answers, settings=WITH_WORKERS) as url,
        new_database(url) as own,
        as_default(own) as database,
    ):
        if not read_catalog(database).workers:
            pytest.skip("this server has no background workers: timescaledb.max_background_workers is 0")
        yield database


@pytest.mark.community
def test_the_scheduler_does_what_the_policies_say_and_is_started_on_time(with_workers, wait_until):
    migrate("timescale")
    now = timezone.now()
    copy_scans(scan(now - hours * HOUR - n * timedelta(seconds=10)) for hours in (1, 30, 90) for n in range(200))
    upgrade(now=now)

    def jobs():
        return catalog.read_catalog(connection).jobs

    def all_ran() -> bool:
        for job in jobs():
            if job.failed:  # compressing and dropping met at one chunk; the server tries again only minutes later
                ask(f"SELECT alter_job({job.job_id}, next_start => now())")
        return all(job.last_run is not None and job.status == "Scheduled" and not job.failed for job in jobs())

    wait_until(all_ran, "each job has run once, by itself", within=A_WHILE)
    assert len(jobs()) == 10
    [(oldest, compressed)] = ask(
        "SELECT (SELECT min(time) FROM scan_results), count(*) FROM timescaledb_information.chunks "
        "WHERE hypertable_name = 'scan_results' AND is_compressed"
    )
    assert now - oldest < 2 * DAY
    assert compressed >= 1
    [(buckets,)] = ask("SELECT count(*) FROM scan_results_1min WHERE bucket < now() - interval '3 days'")
    assert buckets > 0, "the aggregate keeps what the retention took from the scans"
    summary = hypertables_summary(now=timezone.now())
    assert [row.why for row in (*summary.rows, *summary.aggregates) if row.condition != "within"] == []
    assert [check for check in verify() if check.ok is False] == []
    assert bool(summary.jobs_trouble) == any(job.failed_after_work for job in jobs())

    # Where the server counts such runs as failed it would wait ever longer; where it does not, nothing is overdue.
    counted = {job.job_id: job.total_runs for job in jobs() if job.failed_after_work and job.schedule_interval <= HOUR}
    assert services.start_overdue_jobs(now=min(job.last_run for job in jobs())) == ()
    started = {job.job_id for job in services.start_overdue_jobs(now=timezone.now() + HOUR)}
    assert started <= {job.job_id for job in jobs() if job.failed_after_work}

    def run_again() -> bool:
        return all(job.total_runs > counted[job.job_id] for job in jobs() if job.job_id in started)

    wait_until(run_again, f"{len(started)} jobs that were overdue have run again", within=A_WHILE)

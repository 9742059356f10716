"""TimescaleDB's jobs beside Celery's tasks, and the guide's SQL checks, on each edition."""

from __future__ import annotations

import pytest
import redis as redis_library
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tests.timescale.test_policies import sql
from timescale import services
from timescale.engine.edition import Edition
from timescale.models import TableAction
from tradeul_ops.console.jobs import read_jobs
from tradeul_ops.console.verify import verify


@pytest.fixture
def ana(database) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ana"))
    return client


def test_the_servers_jobs_stand_beside_celerys(ana, edition, redis: redis_library.Redis):
    services.reconcile_policies()
    jobs, text = read_jobs(now=timezone.now()), ana.get("/jobs/").content.decode()
    if edition is not Edition.COMMUNITY:
        assert jobs.jobs == () and "None on this edition" in text
        return
    assert {(job.relation, str(job.diagnosis.job.kind)) for job in jobs.jobs} >= {
        ("scan_results", "retention"),
        ("scan_results", "columnstore"),
        ("scan_results_1min", "refresh"),
    }
    assert text.count('name="verb" value="run_job"') == len(jobs.jobs)


def test_a_job_is_run_from_there_after_a_confirmation(community, redis: redis_library.Redis):
    client = Client()
    client.force_login(User.objects.create_superuser("ana"))
    services.reconcile_policies()
    job = next(job for job in read_jobs(now=timezone.now()).jobs if job.relation == "scan_results")
    said = {"verb": "run_job", "job_id": job.diagnosis.job.job_id}
    answer = client.post(f"/hypertables/tables/{job.policy_id}/act", said)
    assert "of scan_results now" in answer.content.decode()
    assert not TableAction.objects.exists()


def test_a_paused_job_is_told(community, redis: redis_library.Redis):
    services.reconcile_policies()
    job = next(job for job in read_jobs(now=timezone.now()).jobs if job.relation == "scan_results").diagnosis.job
    sql(f"SELECT alter_job({job.job_id}, scheduled => false)")
    jobs = read_jobs(now=timezone.now())
    assert f"{job.kind} of scan_results" in jobs.sentence and jobs.condition == "attention"


def test_the_sql_checks_are_part_of_verify(database, edition, redis: redis_library.Redis):
    services.reconcile_policies()
    report = verify(now=timezone.now())
    sections = {section.title: [check.name for check in section.checks] for section in report.sections}
    assert "continuous aggregates exist" in sections["1. TimescaleDB"]
    problem = sections["Problem: the compression policy does not work"]
    if edition is Edition.COMMUNITY:
        assert "retention policies" in sections["1. TimescaleDB"]
        assert problem[0] == "columnstore policies" and "scan_results is compressed" in problem
    else:
        assert problem == ["compression"]

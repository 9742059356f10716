"""Jobs: what runs by itself, when it last did its work, why it last did not, and run now."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import redis as redis_library
from celery import shared_task
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from streams import tasks
from streams.models import StreamLimit
from tests.streams.factories import fill, make_row
from tradeul_ops import task_runs
from tradeul_ops.celery import app
from tradeul_ops.console.jobs import PERMISSIONS, permission_of, read_jobs
from tradeul_ops.demo.servers import free_port
from tradeul_ops.task_runs import LONGEST_TEXT, read_task_runs

HTMX = {"HX-Request": "true"}


@shared_task(name="streams.test_fails", ignore_result=True)
def fails() -> None:
    raise ValueError("x\ny" + "z" * 1000)


@pytest.fixture
def ana(client: Client, db: None) -> Client:
    """Logged in, with every permission."""
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


def _task(name: str) -> Any:
    return next(task for task in read_jobs(now=timezone.now()).tasks.value or () if task.task == name)


# --- how runs are kept -----------------------------------------------------------------------------------------------


def test_a_task_that_did_its_work_is_on_record_with_how_long_it_took(redis: redis_library.Redis, db: None) -> None:
    tasks.discover_streams.delay()
    run = read_task_runs()["streams.discover_streams"]
    assert run.succeeded and run.succeeded.took_ms and run.failed is None
    assert redis.ttl(task_runs.KEY) > 0


def test_one_that_could_not_reach_its_server_has_failed_although_celery_saw_it_end_well(
    redis: redis_library.Redis, db: None, settings
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    tasks.discover_streams.delay()
    run = read_task_runs()["streams.discover_streams"]
    assert run.succeeded is None
    assert run.failed and run.failed.why.startswith("look for streams: not this time. Redis does not answer")


def test_a_success_leaves_the_last_failure_on_record(redis: redis_library.Redis, db: None, settings) -> None:
    good = settings.REDIS_URL
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    tasks.discover_streams.delay()
    settings.REDIS_URL = good
    tasks.discover_streams.delay()
    run = read_task_runs()["streams.discover_streams"]
    assert run.succeeded and run.failed and run.failed.at < run.succeeded.at
    assert _task("streams.discover_streams").condition == "within"


def test_an_exception_is_kept_in_one_bounded_line(redis: redis_library.Redis) -> None:
    fails.apply(throw=False)
    failed = read_task_runs()["streams.test_fails"].failed
    assert failed and failed.why.startswith("ValueError: x yzzz") and len(failed.why) == LONGEST_TEXT


def test_without_the_broker_a_task_still_ends(settings) -> None:
    settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"
    task_runs.started()
    task_runs.ended("streams.enforce_limits")


# --- what the page says ----------------------------------------------------------------------------------------------


def test_each_entry_of_beats_table_is_there(ana: Client, redis: redis_library.Redis) -> None:
    text = ana.get("/jobs/").content.decode()
    for what, entry in app.conf.beat_schedule.items():
        assert what in text and entry["task"] in text
        assert permission_of(entry["task"]) in PERMISSIONS.values()
    assert "have not run yet, as far as the broker remembers" in text and "None on this edition" in text


def test_a_task_is_late_after_two_intervals_and_some_patience(redis: redis_library.Redis, db: None) -> None:
    tasks.enforce_limits.delay()
    now = timezone.now()

    def condition(after: timedelta) -> str:
        found = read_jobs(now=now + after).tasks.value or ()
        return next(task.condition for task in found if task.task == "streams.enforce_limits")

    assert condition(timedelta(seconds=35)) == "within"
    assert condition(timedelta(seconds=45)) == "over"


def test_a_failure_is_told_with_its_text(ana: Client, redis: redis_library.Redis, settings) -> None:
    good = settings.REDIS_URL
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    tasks.discover_streams.delay()
    settings.REDIS_URL = good
    text = ana.get("/jobs/").content.decode()
    assert re.search(r"1 of \d+ does not work: look for streams\.", text) and "Redis does not answer" in text


def test_without_the_broker_the_page_says_so(ana: Client, redis: redis_library.Redis, settings) -> None:
    settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"
    text = ana.get("/jobs/").content.decode()
    assert "The broker does not answer" in text and 'data-condition="unknown"' in text


def test_a_poll_costs_the_same_with_runs_and_without(ana: Client, redis: redis_library.Redis) -> None:
    def cost() -> tuple[int, int]:
        before = redis.info("stats")["total_commands_processed"]
        with CaptureQueriesContext(connection) as queries:
            assert ana.get("/jobs/", headers=HTMX).status_code == 200
        return len(queries), redis.info("stats")["total_commands_processed"] - before

    cost()
    without = cost()
    for entry in app.conf.beat_schedule.values():
        task_runs.ended(entry["task"])
    assert cost() == without


# --- run now ---------------------------------------------------------------------------------------------------------


def test_run_now_does_it_and_leaves_a_line(ana: Client, redis: redis_library.Redis) -> None:
    StreamLimit.objects.all().delete()
    fill(redis, "orders", 5000)
    make_row("orders", 1000)
    answer = ana.post("/jobs/run", {"task": "streams.enforce_limits"}, follow=True)
    assert "streams.enforce_limits is sent" in answer.content.decode()
    assert redis.xlen("orders") < 1200
    line = LogEntry.objects.latest("id")
    assert (line.object_id, line.get_change_message()) == ("streams.enforce_limits", "Run now, by hand.")
    text = ana.get("/changes/?of=task").content.decode()
    assert "<code>streams.enforce_limits</code></a> ran" in text and "Take back" not in text


def test_each_task_needs_the_permission_of_what_it_acts_on(
    client: Client, redis: redis_library.Redis, db: None
) -> None:
    bo = get_user_model().objects.create_user("bo")
    client.force_login(bo)
    assert client.post("/jobs/run", {"task": "streams.enforce_limits"}).status_code == 403
    assert "Run now" not in client.get("/jobs/").content.decode()
    bo.user_permissions.add(Permission.objects.get(codename="change_streamlimit"))
    assert client.post("/jobs/run", {"task": "streams.enforce_limits"}).status_code == 302
    assert client.post("/jobs/run", {"task": "timescale.enforce_retention"}).status_code == 403
    assert client.post("/jobs/run", {"task": "console.prune_history"}).status_code == 403
    assert client.get("/jobs/").content.decode().count("Run now") == 6
    assert client.get("/jobs/run").status_code == 405


def test_what_beat_does_not_do_can_not_be_run(ana: Client, redis: redis_library.Redis) -> None:
    answer = ana.post("/jobs/run", {"task": "timescale.perform_action"}, follow=True)
    assert "Not run. Beat&#x27;s table has no task timescale.perform_action." in answer.content.decode()
    assert not LogEntry.objects.exists()

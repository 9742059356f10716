"""Tasks, the command and the admin: they reach the services, and a server that is away is one line in the log."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.utils import timezone

from tests.timescale.conftest import as_default, migrate
from tests.timescale.factories import DAY, copy_scans, form_data, scan
from timescale import services, tasks
from timescale.engine.condition import BEAT_PERIOD
from timescale.engine.edition import Edition
from timescale.forms import HypertablePolicyForm
from timescale.models import AggregatePolicy, HypertablePolicy, RetentionRun, ScanResult
from tradeul_ops.celery import app
from tradeul_ops.demo.servers import free_port

TASKS = (
    tasks.enforce_retention,
    tasks.refresh_missed,
    tasks.reconcile_policies,
    tasks.take_samples,
    tasks.prune_history,
)


def test_the_beat_table_names_these_tasks():
    beat = {entry["task"]: entry["schedule"] for entry in app.conf.beat_schedule.values()}
    mine = {task.name for task in TASKS}
    assert {name for name in beat if name.startswith("timescale.")} == mine
    assert beat["timescale.enforce_retention"] == BEAT_PERIOD


def test_tasks_do_their_work(database, edition):
    copy_scans([scan(timezone.now() - 10 * DAY)])
    for task in TASKS:
        if task is tasks.refresh_missed and edition is Edition.COMMUNITY:
            continue  # the server refreshes in no transaction: see test_missed
        assert task.apply().successful()
    if edition is not Edition.COMMUNITY:
        assert not ScanResult.objects.exists()


def test_a_server_that_is_away_is_one_line(caplog, django_db_blocker):
    nobody = f"postgres://tradeul@127.0.0.1:{free_port()}/tradeul"
    with django_db_blocker.unblock(), as_default(nobody), caplog.at_level(logging.WARNING):
        for task in TASKS:
            caplog.clear()
            assert task.apply().successful()
            [line] = caplog.records
            assert line.levelname == "WARNING"
            assert "at the next tick" in line.getMessage()


def test_a_server_that_goes_away_meanwhile_is_one_line(empty, caplog):
    """And the tick after it works again, on a connection of its own."""
    migrate("timescale")
    with empty.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    other = empty.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()
    with caplog.at_level(logging.WARNING):
        assert tasks.reconcile_policies.apply().successful()
    assert len(caplog.records) == 1
    empty.close_if_unusable_or_obsolete()  # as Celery's Django fixup does between tasks
    assert services.reconcile_policies() is not None


@pytest.fixture
def operator(database) -> User:
    return User.objects.create_superuser("ana")


def test_admin_saves_through_the_service(operator):
    """One audit line, by the service, with old and new values; none of admin's own beside it."""
    policy = HypertablePolicy.objects.get(table_name="scan_results")
    page = admin.site.get_model_admin(HypertablePolicy)
    request = RequestFactory().post("/")
    request.user = operator
    form_class = page.get_form(request, policy, change=True)
    data = form_data(HypertablePolicyForm, policy) | {"drop_after": "5 00:00:00"}
    form = form_class(data, instance=policy)
    assert form.is_valid(), form.errors
    page.save_model(request, form.save(commit=False), form, change=True)
    page.log_change(request, policy, page.construct_change_message(request, form, []))
    assert HypertablePolicy.objects.get(pk=policy.pk).drop_after == timedelta(days=5)
    assert "drop_after: 3 days, 0:00:00 → 5 days, 0:00:00" in LogEntry.objects.get().get_change_message()


def test_admin_adds_and_deletes_nothing(operator):
    request = RequestFactory().get("/")
    request.user = operator
    for model in (HypertablePolicy, AggregatePolicy, RetentionRun):
        page = admin.site.get_model_admin(model)
        assert not page.has_add_permission(request)
        assert not page.has_delete_permission(request)
        assert page.has_change_permission(request) is (model is not RetentionRun)

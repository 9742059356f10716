"""What an operator asks for now: planned, agreed to, queued, done step by step; and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase

from tests.timescale.conftest import as_default
from tests.timescale.factories import DAY, HOUR, at, copy_scans, scan
from tests.timescale.test_policies import sql
from timescale import services, tasks
from timescale.engine.drift import Kind
from timescale.engine.edition import Edition
from timescale.metrics import hypertables_summary
from timescale.models import AggregatePolicy, HypertablePolicy, ScanMinute, ScanResult, TableAction, TableSample
from timescale.store import catalog
from timescale.store.chunks import read_chunks
from timescale.store.errors import RelationMissing

NOW = at(15, 20)
Verb, Phase = TableAction.Verb, TableAction.Phase


@pytest.fixture
def ana(database) -> User:
    return User.objects.create(username="ana")


@pytest.fixture
def policy(ana) -> HypertablePolicy:
    return HypertablePolicy.objects.get(table_name="scan_results")


def ask(row, verb: str, user: User, now=NOW, **arguments) -> TableAction:
    """Confirms what it was shown, and lets the worker do it."""
    plan = services.plan_action(row, verb, arguments, now=now)
    with TestCase.captureOnCommitCallbacks(execute=True):
        asked = services.request_action(row, verb, arguments, consent=plan.consent, user=user, now=now)
    asked.refresh_from_db()
    return asked


def test_dropping_now_takes_what_was_shown_and_no_more(policy, ana, edition):
    copy_scans(scan(NOW - n * HOUR) for n in (1, 2, 30, 31))
    plan = services.plan_action(policy, Verb.DROP, {"older_than": "1 00:00:00"}, now=NOW)
    assert plan.destroys and "There is no undo." in plan.warnings
    assert plan.steps == (None if edition is Edition.NONE else 2)
    action = ask(policy, Verb.DROP, ana, older_than="1 00:00:00")
    assert (action.phase, action.asked_by) == (Phase.DONE, "ana")
    assert action.detail.startswith("Dropped 2 rows")
    assert ScanResult.objects.count() == 2
    assert "drop now: – → Drop now what is older than 1 day" in LogEntry.objects.get().get_change_message()


def test_nothing_to_drop_is_said_before_it_is_asked(policy):
    with pytest.raises(services.ActionRefused, match="nothing is older than 3 days"):
        services.plan_action(policy, Verb.DROP, {}, now=NOW)
    for wrong in ("-1 00:00:00", "0", "soon"):
        with pytest.raises(services.ActionRefused, match="write a time above 0"):
            services.plan_action(policy, Verb.DROP, {"older_than": wrong}, now=NOW)


def test_what_is_not_what_was_shown_is_refused(policy, ana, edition):
    copy_scans(scan(NOW - n * HOUR) for n in (1, 30))
    plan = services.plan_action(policy, Verb.DROP, {"older_than": "1 00:00:00"}, now=NOW)
    with pytest.raises(services.ActionRefused, match="has changed since it was shown"):
        services.request_action(
            policy, Verb.DROP, {"older_than": "0 12:00:00"}, consent=plan.consent, user=ana, now=NOW
        )
    if edition is not Edition.NONE:
        copy_scans([scan(NOW - 40 * HOUR)])
        with pytest.raises(services.ActionRefused, match="Now: Drop now"):
            services.request_action(policy, Verb.DROP, plan.arguments, consent=plan.consent, user=ana, now=NOW)
    assert not TableAction.objects.exists()
    assert ScanResult.objects.filter(time__lt=NOW - DAY).exists()


def test_one_thing_at_a_time(policy, ana):
    copy_scans([scan(NOW - 30 * HOUR)])
    TableAction.objects.create(relation="scan_results", verb=Verb.DROP, asked_at=NOW, phase=Phase.RUNNING)
    plan = services.plan_action(policy, Verb.DROP, {"older_than": "1 00:00:00"}, now=NOW)
    with pytest.raises(services.ActionRefused, match="already under way"):
        services.request_action(policy, Verb.DROP, plan.arguments, consent=plan.consent, user=ana, now=NOW)


def test_an_action_is_done_once(policy, ana):
    copy_scans([scan(NOW - 30 * HOUR)])
    action = ask(policy, Verb.DROP, ana, older_than="1 00:00:00")
    copy_scans([scan(NOW - 30 * HOUR)])
    tasks.perform_action.apply(args=[action.pk])  # a message that came twice
    assert ScanResult.objects.count() == 1


def test_an_action_whose_worker_went_away_ends_as_failed(ana):
    running = TableAction.objects.create(
        relation="t", verb=Verb.DROP, asked_at=NOW - HOUR, started_at=NOW - HOUR, phase=Phase.RUNNING
    )
    waiting = TableAction.objects.create(relation="u", verb=Verb.DROP, asked_at=NOW - timedelta(minutes=1))
    assert services.fail_lost_actions(now=NOW) == 1
    running.refresh_from_db()
    waiting.refresh_from_db()
    assert (running.phase, waiting.phase) == (Phase.FAILED, Phase.QUEUED)
    assert "No worker has finished it" in running.detail


def test_what_an_edition_lacks_is_refused_with_its_name(policy, edition):
    if edition is Edition.COMMUNITY:
        pytest.skip("the Community edition has it")
    view = AggregatePolicy.objects.get(view_name="scan_results_1min")
    with pytest.raises(services.ActionRefused, match=f"Community edition; this database has: {edition}"):
        services.plan_action(policy, Verb.COMPRESS, {}, now=NOW)
    with pytest.raises(services.ActionRefused, match="needs TimescaleDB's Community edition"):
        services.plan_action(view, Verb.REFRESH, {"start": "2026-03-15 10:00", "end": "2026-03-15 11:00"}, now=NOW)
    with pytest.raises(services.ActionRefused, match="has no job 1000"):
        services.plan_action(policy, Verb.RUN_JOB, {"job_id": "1000"}, now=NOW)


@pytest.mark.community
def test_compressing_now_says_how_far_it_is(community):
    user = User.objects.create(username="ana")
    policy = HypertablePolicy.objects.get(table_name="scan_results")
    copy_scans(scan(NOW - n * HOUR, f"S{m}") for n in (0, 5, 6, 7) for m in range(50))
    action = ask(policy, Verb.COMPRESS, user, older_than="0 02:00:00")
    assert (action.phase, action.steps_done, action.steps_total) == (Phase.DONE, 3, 3)
    assert action.detail == "3 chunks compressed."
    assert [chunk.form for chunk in read_chunks(connection, "scan_results")] == ["column"] * 3 + ["row"]
    copy_scans([scan(NOW - 6 * HOUR, "LATE")])
    assert [chunk.form for chunk in read_chunks(connection, "scan_results")][1] == "partial"
    action = ask(policy, Verb.COMPRESS, user, older_than="0 02:00:00")
    assert (action.phase, action.steps_total) == (Phase.DONE, 1)
    assert [chunk.form for chunk in read_chunks(connection, "scan_results")][1] == "column"


@pytest.mark.community
def test_a_window_that_would_erase_is_refused(community):
    view = AggregatePolicy.objects.get(view_name="scan_results_1min")
    for window, why in (
        ({"start": "2026-03-05 10:00", "end": "2026-03-10 11:00"}, "would erase what scan_results_1min still holds"),
        ({"start": "2026-03-10 10:00", "end": "2026-03-10 10:00:30"}, "one bucket of 1 min at least"),
        ({"start": "", "end": "2026-03-10 10:00:30"}, "start: write a moment"),
        ({"start": "2026-13-10 10:00", "end": "2026-03-10 10:00"}, "start: write a moment"),
    ):
        with pytest.raises(services.ActionRefused, match=why):
            services.plan_action(view, Verb.REFRESH, window, now=at(15, day=10))


@pytest.mark.community
def test_a_refresh_and_a_job_run_to_their_end_outside_of_a_transaction(community_migrated_url, django_db_blocker):
    """As a worker has it: refresh and columnstore commit by themselves, and refuse to run inside of another."""
    with django_db_blocker.unblock(), as_default(community_migrated_url):
        try:
            user = User.objects.create(username="ana")
            services.apply_policies()
            # Far from now, so that neither bound nor window meets another test's.
            copy_scans(scan(at(9, minute)) for minute in range(50))
            view = AggregatePolicy.objects.get(view_name="scan_results_1min")
            window = {"start": "2026-03-10 09:00", "end": "2026-03-10 09:30"}
            plan = services.plan_action(view, Verb.REFRESH, window, now=at(10))
            action = services.request_action(view, Verb.REFRESH, window, consent=plan.consent, user=user, now=at(10))
            services.perform_action(action.pk)
            action.refresh_from_db()
            assert (action.phase, action.steps_done) == (Phase.DONE, 1), action.detail
            sql("ALTER MATERIALIZED VIEW scan_results_1min SET (timescaledb.materialized_only = true)")
            assert ScanMinute.objects.count() == 30
            policy = HypertablePolicy.objects.get(table_name="scan_results")
            jobs = {job.kind: job.job_id for job in catalog.read_catalog(connection).jobs_of("scan_results")}
            for kind, left in ((Kind.COLUMNSTORE, 50), (Kind.RETENTION, 0)):
                action = _run(policy, jobs[kind], user)
                assert (action.phase, ScanResult.objects.count()) == (Phase.DONE, left), action.detail
            gone = _run(policy, jobs[Kind.RETENTION], user, behind=f"SELECT delete_job({jobs[Kind.RETENTION]})")
            assert gone.phase == Phase.FAILED and gone.detail
        finally:
            sql("TRUNCATE scan_results")
            sql("TRUNCATE scan_results_1min")
            for job in catalog.read_catalog(connection).jobs:
                sql(f"SELECT delete_job({job.job_id})")
            sql("ALTER MATERIALIZED VIEW scan_results_1min SET (timescaledb.materialized_only = false)")
            sql("TRUNCATE timescale_tableaction, timescale_appliedsetting, timescale_retentiongrace")
            sql("TRUNCATE django_admin_log, auth_user CASCADE")


def _run(policy, job_id: int, user: User, *, behind: str = "") -> TableAction:
    arguments = {"job_id": job_id}
    plan = services.plan_action(policy, Verb.RUN_JOB, arguments, now=NOW)
    action = TableAction.objects.create(
        relation=plan.relation, verb=plan.verb, arguments=plan.arguments, asked_at=NOW, asked_by=user.username
    )
    if behind:
        sql(behind)
    services.perform_action(action.pk)
    action.refresh_from_db()
    return action


@pytest.mark.community
def test_retry_makes_a_job_due_and_is_audited(community):
    user = User.objects.create(username="ana")
    services.apply_policies()
    policy = HypertablePolicy.objects.get(table_name="scan_results")
    [job] = [one for one in catalog.read_catalog(connection).jobs_of("scan_results") if one.kind is Kind.RETENTION]
    services.retry_job(policy, job.job_id, user_id=user.pk)
    [after] = [one for one in catalog.read_catalog(connection).jobs_of("scan_results") if one.kind is Kind.RETENTION]
    assert (job.next_start, after.next_start is not None) == (None, True)
    assert f"retry retention job {job.job_id}" in LogEntry.objects.get().get_change_message()
    other = next(one for one in catalog.read_catalog(connection).jobs if one.relation == "volume_slots")
    with pytest.raises(services.ActionRefused, match="scan_results has no job"):
        services.retry_job(policy, other.job_id, user_id=user.pk)


def test_samples_are_taken_bounded_and_give_the_growth(database, edition, monkeypatch):
    copy_scans(scan(NOW - n * HOUR) for n in range(3))
    sql("ANALYZE scan_results")
    taken = services.take_samples(now=NOW - 2 * HOUR)
    assert taken == 5 + (2 if edition is Edition.COMMUNITY else 0)
    copy_scans(scan(NOW - n * HOUR, f"S{m}") for n in range(3) for m in range(500))
    summary = hypertables_summary(now=NOW)
    grown = next(row for row in summary.rows if row.table == "scan_results")
    assert grown.growth_per_day > 0
    assert next(row for row in summary.rows if row.table == "volume_slots").growth_per_day == 0
    assert hypertables_summary(now=NOW + 3 * DAY).rows[0].growth_per_day is None
    assert services.prune_history(now=NOW + 7 * DAY) == taken
    for n in range(3):
        services.take_samples(now=NOW + n * HOUR)
    monkeypatch.setattr("timescale.services.upkeep.SAMPLES_KEPT", 4)
    services.prune_history(now=NOW + 3 * HOUR)
    assert TableSample.objects.count() == 4


def test_a_chunk_map_of_a_table_that_is_gone_is_an_error_with_its_name(database, edition):
    if edition is Edition.NONE:
        pytest.skip("no chunks without the extension")
    with pytest.raises(RelationMissing, match="lost"):
        read_chunks(connection, "lost")

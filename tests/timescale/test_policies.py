"""Rows become the server's jobs, and only what differs is touched; what would destroy data never gets there."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test import TestCase

from tests.timescale.factories import DAY, HOUR, form_data
from timescale import services
from timescale.engine.drift import Kind
from timescale.engine.edition import Edition
from timescale.forms import AggregatePolicyForm, HypertablePolicyForm
from timescale.models import AggregatePolicy, AppliedSetting, HypertablePolicy
from timescale.store import catalog
from timescale.store.actions import COLUMNSTORE_STARTS_AFTER

MINUTE = timedelta(minutes=1)
SECOND_REFRESH = (
    "SELECT add_continuous_aggregate_policy('scan_results_1min', start_offset => INTERVAL '5 hours', "
    "end_offset => INTERVAL '2 hours', schedule_interval => INTERVAL '1 hour')"
)


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def add_second_refresh() -> None:
    """Older versions (2.19) refuse it, and what they can't have is not to be shown as drift."""
    try:
        sql(SECOND_REFRESH)
    except ProgrammingError as error:
        if "Only one continuous aggregate policy" not in str(error):
            raise
        pytest.skip(f"this version of TimescaleDB has one refresh job an aggregate: {error}")


def jobs() -> dict[tuple[str, str], str]:
    return {(job.relation, job.kind): job.says for job in catalog.read_catalog(connection).jobs}


def job_ids() -> set[int]:
    return {job.job_id for job in catalog.read_catalog(connection).jobs}


@pytest.fixture
def applied(community):
    """The first policies, as jobs."""
    services.reconcile_policies()


# --- rows → jobs -----------------------------------------------------------------------------------------------------
def test_rows_become_jobs(database, edition):
    changed = services.reconcile_policies()
    if edition is not Edition.COMMUNITY:
        assert changed == ()
        assert jobs() == {}
        return
    assert jobs() == {
        ("scan_results", "columnstore"): "after 2 h, every 30 min",
        ("scan_results", "retention"): "after 3 days, every 1 h",
        ("volume_slots", "columnstore"): "after 6 h, every 6 h",
        ("volume_slots", "retention"): "after 14 days, every 6 h",
        ("volume_slot_averages", "retention"): "after 14 days, every 6 h",
        ("market_data_daily", "retention"): "after 90 days, every 1 day",
        ("scan_results_1min", "refresh"): "from 1 h to 30 s back, every 30 s",
        ("scan_results_1min", "retention"): "after 30 days, every 6 h",
        ("scan_results_1hour", "refresh"): "from 7 days to 1 h back, every 1 h",
        ("scan_results_1hour", "retention"): "after 180 days, every 6 h",
    }
    assert len(changed) == len(jobs())


@pytest.mark.community
def test_what_is_equal_is_not_touched(applied):
    before = job_ids()
    assert services.reconcile_policies() == ()
    assert job_ids() == before


@pytest.mark.community
def test_a_tables_first_jobs_do_not_start_at_once(applied):
    """Dropping and compressing chunks of one table in the same second ended in a deadlock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        [made_at] = cursor.fetchone()
    starts = {(job.relation, job.kind): job.next_start for job in catalog.read_catalog(connection).jobs}
    for table in ("scan_results", "volume_slots"):
        assert starts[table, Kind.RETENTION] is None, "as soon as the scheduler sees it"
        assert starts[table, Kind.COLUMNSTORE] == made_at + COLUMNSTORE_STARTS_AFTER


@pytest.mark.community
def test_only_what_differs_is_made_again(applied):
    before = job_ids()
    HypertablePolicy.objects.filter(table_name="scan_results").update(drop_after=5 * DAY)
    [changed] = services.reconcile_policies()
    assert (changed.relation, changed.kind) == ("scan_results", Kind.RETENTION)
    assert str(changed) == "scan_results: retention is after 3 days, every 1 h, wanted after 5 days, every 1 h"
    assert jobs()["scan_results", "retention"] == "after 5 days, every 1 h"
    assert len(job_ids() - before) == 1


@pytest.mark.community
@pytest.mark.parametrize(
    ("somebody", "kind"),
    [
        ("SELECT remove_retention_policy('scan_results')", Kind.RETENTION),
        (
            "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs "
            "WHERE hypertable_name = 'scan_results' AND proc_name = 'policy_compression'",
            Kind.COLUMNSTORE,
        ),
        ("SELECT set_chunk_time_interval('scan_results', INTERVAL '7 days')", Kind.CHUNKS),
        ("ALTER TABLE scan_results SET (timescaledb.segmentby = 'symbol')", Kind.COLUMNSTORE_SETTINGS),
        (
            "SELECT add_retention_policy('scan_results_1min', drop_after => INTERVAL '1 hour', if_not_exists => true); "
            "SELECT remove_retention_policy('scan_results_1min')",
            Kind.RETENTION,
        ),
        (
            "ALTER MATERIALIZED VIEW scan_results_1min SET (timescaledb.materialized_only = true)",
            Kind.MATERIALIZED_ONLY,
        ),
        (
            SECOND_REFRESH,
            Kind.REFRESH,
        ),
    ],
)
def test_what_somebody_else_changed_stays_until_it_is_applied(applied, somebody, kind):
    """The task that runs every minute must not undo what a person did on the server; it remembers when it saw it."""
    if somebody == SECOND_REFRESH:
        add_second_refresh()
    else:
        sql(somebody)
    assert services.reconcile_policies() == ()
    seen = AppliedSetting.objects.get(differs_since__isnull=False)
    assert seen.kind == kind
    [changed] = services.apply_policies()
    assert changed.kind is kind
    assert services.apply_policies() == ()
    assert not AppliedSetting.objects.filter(differs_since__isnull=False).exists()


@pytest.mark.community
def test_a_disabled_policy_has_no_jobs(applied):
    row = HypertablePolicy.objects.get(table_name="scan_results")
    row.enabled = False
    row.save()
    services.apply_policy(row.pk)
    assert not [name for name, _ in jobs() if name == "scan_results"]
    assert len(jobs()) == 8


@pytest.mark.community
def test_without_columnstore_after_nothing_is_compressed(applied):
    HypertablePolicy.objects.filter(table_name="scan_results").update(
        columnstore_after=None, columnstore_schedule_interval=None
    )
    assert [change.kind for change in services.reconcile_policies()] == [Kind.COLUMNSTORE]
    assert ("scan_results", "columnstore") not in jobs()


@pytest.mark.community
def test_one_policy_is_applied_alone(applied):
    HypertablePolicy.objects.update(retention_schedule_interval=2 * HOUR)
    row = HypertablePolicy.objects.get(table_name="volume_slots")
    assert [change.relation for change in services.apply_policy(row.pk)] == ["volume_slots"]
    AggregatePolicy.objects.update(drop_after=None)
    view = AggregatePolicy.objects.get(view_name="scan_results_1min")
    assert [change.relation for change in services.apply_aggregate_policy(view.pk)] == ["scan_results_1min"]


@pytest.mark.community
def test_a_table_that_is_not_a_hypertable_is_said_and_left(applied):
    sql("CREATE TABLE plain_one (time timestamptz)")
    HypertablePolicy.objects.create(
        table_name="plain_one",
        time_column="time",
        chunk_time_interval=HOUR,
        drop_after=DAY,
        retention_schedule_interval=HOUR,
    )
    assert services.reconcile_policies() == ()
    [said] = services.read_differences(catalog.read_catalog(connection))["plain_one"]
    assert str(said) == "plain_one: hypertable is a plain table, wanted a hypertable"


# --- what is refused, beyond test_policy_rules ------------------------------------------------------------------------
@pytest.mark.community
def test_a_misspelt_column_does_not_keep_the_retention_from_being_changed(applied, caplog):
    HypertablePolicy.objects.filter(table_name="scan_results").update(segmentby="simbol", drop_after=2 * DAY)
    with caplog.at_level(logging.WARNING):
        changed = services.reconcile_policies()
    assert [difference.kind for difference in changed] == [Kind.RETENTION]
    assert jobs()["scan_results", "retention"] == "after 2 days, every 1 h"
    assert "simbol" in caplog.text


def test_a_bound_beyond_what_a_clock_can_say_is_refused(database):
    with pytest.raises(IntegrityError), transaction.atomic():
        HypertablePolicy.objects.update(drop_after=timedelta(days=900_000))
    row = HypertablePolicy.objects.get(table_name="scan_results")
    form = HypertablePolicyForm(form_data(HypertablePolicyForm, row) | {"drop_after": "900000 00:00:00"}, instance=row)
    assert not form.is_valid()
    assert "100 years at most" in str(form.errors)


def test_a_page_that_was_open_meanwhile_puts_nothing_back(database):
    """It showed 3 days; somebody saved 1 day; then only the chunk interval was changed on it."""
    row = HypertablePolicy.objects.get(table_name="market_data_daily")
    data = form_data(HypertablePolicyForm, row) | {"chunk_time_interval": "1 00:00:00"}
    HypertablePolicy.objects.filter(pk=row.pk).update(drop_after=30 * DAY)
    row.refresh_from_db()
    form = HypertablePolicyForm(data, instance=row)
    assert form.is_valid(), form.errors
    assert form.changes() == {"chunk_time_interval": DAY}


@pytest.mark.community
def test_what_an_update_slipped_past_the_forms_is_not_applied(applied, caplog):
    """Both rows are valid by themselves; together they would erase. Both keep the jobs they had."""
    before = jobs()
    AggregatePolicy.objects.filter(view_name="scan_results_1min").update(start_offset=4 * DAY)
    HypertablePolicy.objects.filter(table_name="scan_results").update(drop_after=2 * DAY)
    with caplog.at_level(logging.ERROR):
        assert services.reconcile_policies() == ()
    assert jobs() == before
    assert len(caplog.records) == 2
    assert "the refresh would erase what the aggregate still holds" in caplog.text


# --- an operator's change --------------------------------------------------------------------------------------------
def test_a_change_is_written_audited_and_applied(database, edition):
    services.reconcile_policies()
    row = HypertablePolicy.objects.get(table_name="scan_results")
    user = User.objects.create(username="ana")
    with TestCase.captureOnCommitCallbacks(execute=True):
        services.update_policy(
            HypertablePolicy, row.pk, changes={"drop_after": 2 * DAY, "enabled": True}, user_id=user.pk
        )
    row.refresh_from_db()
    assert row.drop_after == 2 * DAY
    line = LogEntry.objects.get()
    assert line.user == user
    assert "drop_after: 3 days, 0:00:00 → 2 days, 0:00:00" in line.get_change_message()
    assert "enabled" not in line.get_change_message()
    if edition is Edition.COMMUNITY:
        assert jobs()["scan_results", "retention"] == "after 2 days, every 1 h"


def test_a_refused_change_leaves_no_trace(database):
    row = HypertablePolicy.objects.get(table_name="scan_results")
    user = User.objects.create(username="ana")
    with pytest.raises(ValidationError), transaction.atomic():
        services.update_policy(HypertablePolicy, row.pk, changes={"drop_after": -DAY}, user_id=user.pk)
    row.refresh_from_db()
    assert row.drop_after == 3 * DAY
    assert not LogEntry.objects.exists()


def test_an_unchanged_form_changes_nothing(database):
    row = AggregatePolicy.objects.get(view_name="scan_results_1min")
    form = AggregatePolicyForm(form_data(AggregatePolicyForm, row), instance=row)
    assert form.is_valid(), form.errors
    assert form.changed_data == []
    user = User.objects.create(username="ana")
    services.update_policy(AggregatePolicy, row.pk, changes={"drop_after": row.drop_after}, user_id=user.pk)
    assert not LogEntry.objects.exists()

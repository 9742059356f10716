"""What somebody changed behind the console's back: adopted into the row, or applied again. Both are audited."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import TestCase
from django.utils import timezone

from tests.timescale.factories import DAY, HOUR
from tests.timescale.test_policies import add_second_refresh, jobs, sql
from timescale import services
from timescale.engine.drift import Kind, State
from timescale.forms import HypertablePolicyForm
from timescale.metrics import table_detail
from timescale.models import AggregatePolicy, HypertablePolicy
from timescale.store import catalog

pytestmark = pytest.mark.community
NINE_DAYS = (
    "SELECT remove_retention_policy('scan_results'); "
    "SELECT add_retention_policy('scan_results', drop_after => INTERVAL '{}', schedule_interval => INTERVAL '2 hours')"
)


@pytest.fixture
def ana(community) -> User:
    services.reconcile_policies()
    return User.objects.create(username="ana")


@pytest.fixture
def policy(ana) -> HypertablePolicy:
    return HypertablePolicy.objects.get(table_name="scan_results")


def aspect_of(name: str, kind: Kind):
    return next(one for one in services.read_survey(catalog.read_catalog(connection))[name] if one.kind is kind)


def adopt(policy, kind: Kind, ana: User, *, mark: str | None = None) -> None:
    name = policy.wanted().name
    with TestCase.captureOnCommitCallbacks(execute=True):
        services.adopt_drift(
            type(policy),
            policy.pk,
            aspect=kind,
            seen_mark=aspect_of(name, kind).actual_mark if mark is None else mark,
            user_id=ana.pk,
            now=timezone.now(),
        )


def test_adopting_writes_the_row_and_leaves_the_job(policy, ana):
    sql(NINE_DAYS.format("9 days"))
    before = {job.job_id for job in catalog.read_catalog(connection).jobs}
    assert aspect_of("scan_results", Kind.RETENTION).state is State.CHANGED_IN_DATABASE
    adopt(policy, Kind.RETENTION, ana)
    policy.refresh_from_db()
    assert (policy.drop_after, policy.retention_schedule_interval) == (9 * DAY, 2 * HOUR)
    assert aspect_of("scan_results", Kind.RETENTION).state is State.IN_SYNC
    assert {job.job_id for job in catalog.read_catalog(connection).jobs} == before
    said = LogEntry.objects.get().get_change_message()
    assert "drop_after: 3 days, 0:00:00 → 9 days, 0:00:00" in said


@pytest.mark.parametrize(
    ("bound", "refuses"), [("-1 day", "must be positive"), ("30 minutes", "refused|refuse"), ("1 hour", "refuse")]
)
def test_what_the_server_took_and_the_rules_do_not_is_not_adopted(policy, ana, bound, refuses):
    sql(NINE_DAYS.format(bound))
    with pytest.raises(ValidationError, match=refuses):
        adopt(policy, Kind.RETENTION, ana)
    policy.refresh_from_db()
    assert policy.drop_after == 3 * DAY


def test_adopting_something_else_than_was_shown_is_refused(policy, ana):
    sql(NINE_DAYS.format("9 days"))
    shown = aspect_of("scan_results", Kind.RETENTION).actual_mark
    sql(NINE_DAYS.format("10 days"))
    with pytest.raises(ValidationError, match="has changed since this page was shown"):
        adopt(policy, Kind.RETENTION, ana, mark=shown)


def test_reapplying_one_thing_leaves_the_other_drift(policy, ana):
    sql(NINE_DAYS.format("9 days"))
    sql("SELECT set_chunk_time_interval('scan_results', INTERVAL '7 days')")
    assert services.reapply_policy(HypertablePolicy, policy.pk, aspect=Kind.CHUNKS, user_id=ana.pk)
    assert aspect_of("scan_results", Kind.CHUNKS).state is State.IN_SYNC
    assert aspect_of("scan_results", Kind.RETENTION).state is State.CHANGED_IN_DATABASE
    assert "re-applied chunk_time_interval: 7 days → 1 h" in LogEntry.objects.get().get_change_message()
    assert not services.reapply_policy(HypertablePolicy, policy.pk, aspect=Kind.CHUNKS, user_id=ana.pk)


def test_reapplying_a_shorter_bound_waits_its_grace(policy, ana):
    sql(NINE_DAYS.format("9 days"))
    assert services.reapply_policy(HypertablePolicy, policy.pk, aspect=Kind.RETENTION, user_id=ana.pk)
    grace = services.read_graces(now=timezone.now())["scan_results"]
    assert grace.previous == 9 * DAY
    [job] = [one for one in catalog.read_catalog(connection).jobs_of("scan_results") if one.kind is Kind.RETENTION]
    assert job.next_start == grace.until


def test_the_sql_that_is_shown_is_the_sql_that_runs(policy, ana):
    sql(NINE_DAYS.format("9 days"))
    detail = table_detail(policy, now=timezone.now())
    [drift] = [one for one in detail.drifts if not one.in_sync]
    assert drift.aspect.kind is Kind.RETENTION
    assert [statement.split("(")[0] for statement in drift.sql] == [
        "SELECT remove_retention_policy",
        "SELECT add_retention_policy",
    ]
    before = jobs()
    for statement in drift.sql:
        sql(statement)
    assert before != jobs()
    assert aspect_of("scan_results", Kind.RETENTION).state is State.IN_SYNC


def test_saving_the_rows_own_value_over_drift_applies_it(policy, ana):
    """The form shows what is in force; typing the row's value there is a wish, though the row does not change."""
    sql(NINE_DAYS.format("1 day"))
    with TestCase.captureOnCommitCallbacks(execute=True):
        services.update_policy(HypertablePolicy, policy.pk, changes={"drop_after": 3 * DAY}, user_id=ana.pk)
    assert aspect_of("scan_results", Kind.RETENTION).state is State.IN_SYNC


def test_saving_another_field_leaves_the_drift(policy, ana):
    sql(NINE_DAYS.format("9 days"))
    with TestCase.captureOnCommitCallbacks(execute=True):
        services.update_policy(HypertablePolicy, policy.pk, changes={"columnstore_after": 3 * HOUR}, user_id=ana.pk)
    assert aspect_of("scan_results", Kind.COLUMNSTORE).state is State.IN_SYNC
    assert aspect_of("scan_results", Kind.RETENTION).actual.startswith("after 9 days")


def test_several_refresh_jobs_are_extra_and_become_one(ana):
    add_second_refresh()
    assert aspect_of("scan_results_1min", Kind.REFRESH).state is State.EXTRA
    view = AggregatePolicy.objects.get(view_name="scan_results_1min")
    assert services.reapply_policy(AggregatePolicy, view.pk, aspect=Kind.REFRESH, user_id=ana.pk)
    found = [one for one in catalog.read_catalog(connection).jobs_of(view.view_name) if one.kind is Kind.REFRESH]
    assert [one.start_offset for one in found] == [HOUR]


def test_a_removed_retention_that_is_applied_again_waits(policy, ana):
    sql("SELECT remove_retention_policy('scan_results')")
    assert services.reconcile_policies() == ()
    assert aspect_of("scan_results", Kind.RETENTION).state is State.MISSING
    assert services.reapply_policy(HypertablePolicy, policy.pk, aspect=Kind.RETENTION, user_id=ana.pk)
    assert services.read_graces(now=timezone.now())["scan_results"].previous is None


def test_a_role_that_is_no_superuser_reads_and_mends(policy, ana):
    """As the role of DATABASE_URL ought to be: the owner of the tables, and no more."""
    sql("CREATE ROLE tradeul_owner LOGIN")
    sql("GRANT ALL ON SCHEMA public TO tradeul_owner")
    sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO tradeul_owner")
    sql("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO tradeul_owner")
    for job in catalog.read_catalog(connection).jobs:
        sql(f"SELECT delete_job({job.job_id})")
    for table in ("scan_results", "volume_slots", "volume_slot_averages", "market_data_daily"):
        sql(f"ALTER TABLE {table} OWNER TO tradeul_owner")
    for view in ("scan_results_1min", "scan_results_1hour"):
        sql(f"ALTER MATERIALIZED VIEW {view} OWNER TO tradeul_owner")
    sql("SET ROLE tradeul_owner")
    assert len(services.apply_policies()) == 10
    sql(NINE_DAYS.format("9 days"))
    detail = table_detail(policy, now=timezone.now())
    assert [one.aspect.state for one in detail.drifts if not one.in_sync] == [State.CHANGED_IN_DATABASE]
    assert detail.row.bytes is not None and detail.workers is not None
    assert services.reapply_policy(HypertablePolicy, policy.pk, aspect=Kind.RETENTION, user_id=ana.pk)
    sql("RESET ROLE")


def test_unheard_of_drift_is_remembered_since_it_was_first_seen(policy):
    sql(NINE_DAYS.format("9 days"))
    services.reconcile_policies()
    first = {one.aspect.kind: one.since for one in table_detail(policy, now=timezone.now()).drifts}
    assert first[Kind.RETENTION] is not None and first[Kind.COLUMNSTORE] is None
    services.reconcile_policies()
    again = {one.aspect.kind: one.since for one in table_detail(policy, now=timezone.now()).drifts}
    assert again == first
    assert timezone.now() - first[Kind.RETENTION] < timedelta(minutes=1)


def test_only_the_field_that_differs_says_so(policy):
    """Adopting takes a job's settings together; of those that are equal there is nothing to say."""
    found = {"drop_after": policy.drop_after, "retention_schedule_interval": 7 * HOUR}
    form = HypertablePolicyForm(instance=policy, in_force=found)
    told = {name for name, field in form.fields.items() if "has another value" in field.help_text}
    assert told == {"retention_schedule_interval"}
    assert form.initial["retention_schedule_interval"] == 7 * HOUR

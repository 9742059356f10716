"""A shortened bound says what it takes, waits, and can be undone; whichever door it came through."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import TestCase
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.timescale.factories import DAY, HOUR, at, copy_scans, scan
from timescale import services
from timescale.engine.drift import Kind
from timescale.engine.edition import Edition
from timescale.engine.grace import Grace, plan_grace
from timescale.models import AggregatePolicy, HypertablePolicy, RetentionGrace, ScanResult
from timescale.store import catalog

NOW = at(15, 20)
GRACE = HOUR  # of the settings


@pytest.fixture
def ana(database) -> User:
    return User.objects.create(username="ana")


@pytest.fixture
def policy(ana) -> HypertablePolicy:
    return HypertablePolicy.objects.get(table_name="scan_results")


def shorten(policy: HypertablePolicy, ana: User, *, to: timedelta = DAY, now=NOW, consent: str | None = None):
    preview = services.preview_change(policy, {"drop_after": to}, now=now)
    with TestCase.captureOnCommitCallbacks(execute=True):
        return services.update_policy(
            HypertablePolicy,
            policy.pk,
            changes={"drop_after": to},
            user_id=ana.pk,
            consent=preview.consent if preview and consent is None else consent or "",
            now=now,
        )


durations = st.none() | st.timedeltas(min_value=timedelta(seconds=1), max_value=1000 * DAY)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(before=durations, after=durations)
def test_a_bound_waits_exactly_when_it_keeps_less(before, after):
    grace = plan_grace("t", now=NOW, length=GRACE, before=before, after=after, running=None)
    keeps_less = after is not None and (before is None or after < before)
    assert (grace is not None) is keeps_less
    if grace is not None:
        assert (grace.previous, grace.drop_after, grace.until) == (before, after, NOW + GRACE)


def test_two_steps_down_are_no_way_around_the_wait():
    running = Grace("t", 3 * DAY, 2 * DAY, NOW + HOUR / 2)
    told = {"now": NOW, "length": GRACE, "running": running}
    further = plan_grace("t", before=2 * DAY, after=DAY, **told)
    assert further == Grace("t", 3 * DAY, DAY, NOW + GRACE)
    back = plan_grace("t", before=DAY, after=3 * DAY, **told)
    assert back is None
    over = {**told, "now": NOW + HOUR}
    assert plan_grace("t", before=2 * DAY, after=3 * DAY, **over) is None
    assert plan_grace("t", before=2 * DAY, after=DAY, **over).previous == 2 * DAY


def test_the_preview_counts_what_goes_and_who_starves(policy, edition):
    copy_scans(scan(NOW - n * HOUR) for n in (1, 30, 31, 32, 40))
    preview = services.preview_change(policy, {"drop_after": DAY}, now=NOW)
    assert preview.needs_consent
    assert "scan_results keeps 1 day, now 3 days. This drops" in preview.sentence
    [starved] = [said for said in preview.starved if "scan_results_1min" in said]
    if edition is Edition.NONE:
        assert (preview.chunks, preview.rows) == (None, 4)
    else:
        assert preview.chunks == 4
        assert preview.bytes > 0
    says = "has never been refreshed" if edition is Edition.COMMUNITY else "is a plain view"
    assert says in starved
    assert services.preview_change(policy, {"drop_after": 4 * DAY}, now=NOW) is None
    assert services.preview_change(policy, {"segmentby": "symbol"}, now=NOW) is None


def test_without_consent_nothing_is_saved_and_with_another_neither(policy, ana):
    copy_scans(scan(NOW - n * HOUR) for n in (1, 30))
    for consent in ("", "on", "86400:0:0", f"{int(2 * DAY.total_seconds())}:1"):
        with pytest.raises(services.LossRefused, match=r"This drops .*for good"):
            shorten(policy, ana, consent=consent or "none")
    policy.refresh_from_db()
    assert policy.drop_after == 3 * DAY
    assert not RetentionGrace.objects.exists() and not LogEntry.objects.exists()
    shorten(policy, ana)
    policy.refresh_from_db()
    assert policy.drop_after == DAY


def test_a_loss_that_grew_since_it_was_shown_is_refused(policy, ana):
    copy_scans(scan(NOW - n * HOUR) for n in (1, 30))
    agreed = services.preview_change(policy, {"drop_after": DAY}, now=NOW).consent
    copy_scans(scan(NOW - n * HOUR, f"S{m}") for n in (31, 32, 33) for m in range(600))
    with pytest.raises(services.LossRefused, match="more now than what was agreed to"):
        shorten(policy, ana, consent=agreed)


def test_until_the_grace_is_over_the_longer_bound_acts(policy, ana, edition):
    now = timezone.now()
    services.reconcile_policies()
    services.enforce_retention(now=now)  # as beat did all along
    copy_scans(scan(now - n * HOUR) for n in (1, 30))
    shorten(policy, ana, now=now)
    grace = services.read_graces(now=now)["scan_results"]
    assert (grace.previous, grace.drop_after, grace.until) == (3 * DAY, DAY, now + GRACE)
    if edition is Edition.COMMUNITY:
        [job] = [one for one in catalog.read_catalog(connection).jobs_of("scan_results") if one.kind is Kind.RETENTION]
        assert (job.after, job.next_start) == (DAY, grace.until)
        return
    services.enforce_retention(now=now + GRACE - timedelta(seconds=1))
    assert ScanResult.objects.count() == 2
    services.enforce_retention(now=now + GRACE)
    assert ScanResult.objects.count() == 1


def test_one_click_undoes_it_and_is_audited(policy, ana, edition):
    now = timezone.now()
    services.reconcile_policies()
    copy_scans(scan(now - n * HOUR) for n in (1, 30))
    shorten(policy, ana, now=now)
    with TestCase.captureOnCommitCallbacks(execute=True):
        services.undo_shortening(HypertablePolicy, policy.pk, user_id=ana.pk, now=now + HOUR / 2)
    policy.refresh_from_db()
    assert policy.drop_after == 3 * DAY
    assert services.read_graces(now=now) == {}
    latest = LogEntry.objects.latest("id").get_change_message()
    assert "drop_after: 1 day, 0:00:00 → 3 days, 0:00:00" in latest
    if edition is Edition.COMMUNITY:
        assert services.apply_policies() == ()
    with pytest.raises(ValidationError, match="grace is over"):
        services.undo_shortening(HypertablePolicy, policy.pk, user_id=ana.pk, now=now)


def test_switching_a_policy_on_waits_and_undo_switches_it_off(policy, ana, edition):
    now = timezone.now()
    HypertablePolicy.objects.update(enabled=False)
    copy_scans(scan(now - n * DAY) for n in (1, 5))
    policy.refresh_from_db()
    preview = services.preview_change(policy, {"enabled": True}, now=now)
    assert "now everything" in preview.sentence
    change = {"changes": {"enabled": True}, "user_id": ana.pk, "consent": preview.consent, "now": now}
    with TestCase.captureOnCommitCallbacks(execute=True):
        services.update_policy(HypertablePolicy, policy.pk, **change)
    services.enforce_retention(now=now + HOUR / 2)
    assert ScanResult.objects.count() == 2
    services.undo_shortening(HypertablePolicy, policy.pk, user_id=ana.pk, now=now + HOUR / 2)
    policy.refresh_from_db()
    assert not policy.enabled


def test_a_bulk_update_waits_too(policy, edition):
    """Past every form: neither a job nor beat may drop at once what update() shortened."""
    now = timezone.now()
    services.reconcile_policies()
    services.enforce_retention(now=now)
    copy_scans(scan(now - n * HOUR) for n in (1, 30))
    HypertablePolicy.objects.filter(pk=policy.pk).update(drop_after=DAY)
    if edition is Edition.COMMUNITY:
        [changed] = services.reconcile_policies()
        assert changed.kind is Kind.RETENTION
        [job] = [one for one in catalog.read_catalog(connection).jobs_of("scan_results") if one.kind is Kind.RETENTION]
        assert job.next_start == RetentionGrace.objects.get().until > now
        assert services.reconcile_policies() == ()
    else:
        services.enforce_retention(now=now)
        assert ScanResult.objects.count() == 2
        services.enforce_retention(now=now + GRACE)
        assert ScanResult.objects.count() == 1


def test_an_aggregates_bound_waits_as_well(ana, edition):
    view = AggregatePolicy.objects.get(view_name="scan_results_1min")
    now = timezone.now()
    with TestCase.captureOnCommitCallbacks(execute=True):
        services.update_policy(AggregatePolicy, view.pk, changes={"drop_after": 8 * DAY}, user_id=ana.pk, now=now)
    assert services.read_graces(now=now)["scan_results_1min"].previous == 30 * DAY
    services.undo_shortening(AggregatePolicy, view.pk, user_id=ana.pk, now=now)
    view.refresh_from_db()
    assert view.drop_after == 30 * DAY

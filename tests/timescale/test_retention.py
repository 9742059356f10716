"""What lies past its bound goes, and only that: by batches, by chunks, by the server's own jobs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from tests.timescale.conftest import EDITIONS, as_default, migrate
from tests.timescale.factories import DAY, HOUR, at, copy_scans, scan
from timescale import services
from timescale.engine.edition import Edition
from timescale.engine.policies import BATCHED_DELETE, DROP_CHUNKS
from timescale.models import HypertablePolicy, MarketDataDaily, RetentionRun, ScanResult, VolumeSlot
from timescale.store import commands
from tradeul_ops.locks import one_at_a_time
from tradeul_ops.runs import Outcome

NOW = at(15, 20)
where_beat_enforces = pytest.mark.parametrize("server_url", EDITIONS[:2], indirect=True)


def beat_enforces(edition: Edition) -> bool:
    return edition is not Edition.COMMUNITY


def run_retention_jobs() -> None:
    """What the Community edition's scheduler does by itself, here and now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention'")
        for (job_id,) in cursor.fetchall():
            cursor.execute(f"CALL run_job({job_id})")


def enforce(edition: Edition, *, now: datetime) -> None:
    if beat_enforces(edition):
        services.enforce_retention(now=now)
    else:
        assert services.enforce_retention(now=now) == ()  # beat leaves a job's table alone
        services.reconcile_policies()
        run_retention_jobs()


def test_rows_past_the_bound_go_and_only_those(database, edition):
    """Three days of scans are kept. Whole chunks go, so up to one hour more stays where there are chunks."""
    now = datetime.now(UTC)  # TimescaleDB's jobs have no other
    services.reconcile_policies()  # before the rows: a first retention waits for aggregates that have not read them
    ages = [timedelta(minutes=20 * n) for n in range(3 * 24 * 5)]
    copy_scans(scan(now - age) for age in ages)
    enforce(edition, now=now)
    left = {now - time for time in ScanResult.objects.values_list("time", flat=True)}
    kept = {age for age in ages if age <= 3 * DAY}
    assert kept <= left
    slack = HOUR if edition is not Edition.NONE else timedelta(0)
    assert max(left) <= 3 * DAY + slack


def test_a_day_that_is_partly_within_the_bound_stays(database, edition):
    now = datetime.now(UTC)
    days = [now.date() - n * DAY for n in range(20)]
    VolumeSlot.objects.bulk_create(VolumeSlot(date=day, symbol="AAPL", slot_number=1) for day in days)
    enforce(edition, now=now)
    assert set(VolumeSlot.objects.values_list("date", flat=True)) == set(days[:15])


def test_each_table_has_its_own_bound(database, edition):
    now = datetime.now(UTC)
    days = [now.date() - n * DAY for n in (0, 89, 90, 98, 120, 400)]
    MarketDataDaily.objects.bulk_create(MarketDataDaily(trading_date=day, symbol="AAPL") for day in days)
    enforce(edition, now=now)
    left = set(MarketDataDaily.objects.values_list("trading_date", flat=True))
    assert set(days[:3]) <= left
    assert not left & set(days[4:])


@where_beat_enforces
def test_a_run_tells_how_much_went_and_who_dropped_it(database, edition):
    copy_scans(scan(NOW - 4 * DAY + n * timedelta(minutes=10)) for n in range(30))
    copy_scans([scan(NOW)])
    [run] = services.enforce_retention(now=NOW)
    assert (run.table_name, run.rows_dropped, run.outcome) == ("scan_results", 30, Outcome.DONE)
    assert (run.enforced_by, run.chunks_dropped) == (
        (BATCHED_DELETE, 0) if edition is Edition.NONE else (DROP_CHUNKS, 6)
    )
    assert run.detail.startswith("Dropped 30 rows")
    assert RetentionRun.objects.get() == run


def test_nothing_too_old_leaves_no_run(database, edition):
    copy_scans([scan(NOW)])
    assert services.enforce_retention(now=NOW) == ()
    assert not RetentionRun.objects.exists()


def test_a_disabled_policy_drops_nothing(database, edition):
    HypertablePolicy.objects.update(enabled=False)
    copy_scans([scan(NOW - 30 * DAY)])
    assert services.enforce_retention(now=NOW) == ()
    assert ScanResult.objects.count() == 1


@where_beat_enforces
def test_the_time_of_a_tick_is_bounded_and_the_next_goes_on(database, edition, monkeypatch):
    copy_scans(scan(NOW - 5 * DAY + n * HOUR) for n in range(6))
    copy_scans([scan(NOW)])
    monkeypatch.setattr(commands, "BATCH", 2)
    outcomes = []
    while runs := services.enforce_retention(now=NOW, budget=timedelta(0)):
        outcomes += [run.outcome for run in runs]
        assert len(outcomes) < 10
    assert outcomes[0] == Outcome.PARTIAL
    assert [run.rows_dropped for run in RetentionRun.objects.all()] == [1 if edition is Edition.APACHE else 2] * len(
        outcomes
    )
    assert ScanResult.objects.count() == 1


@where_beat_enforces
def test_a_policy_that_an_update_made_dangerous_is_refused(database, edition):
    """Constraints stop a negative bound; one that only the engine sees stops here, before a row is lost."""
    HypertablePolicy.objects.filter(table_name="volume_slots").update(
        chunk_time_interval=DAY + HOUR, columnstore_after=None, columnstore_schedule_interval=None
    )
    VolumeSlot.objects.create(date=date(2020, 1, 1), symbol="AAPL", slot_number=1)
    [run] = services.enforce_retention(now=NOW)
    assert run.outcome == Outcome.FAILED
    assert "whole days" in run.detail
    assert VolumeSlot.objects.count() == 1


def test_a_failure_is_recorded_and_so_is_its_end(empty):
    """And it keeps no other table from being bounded."""
    migrate("timescale")
    with connection.cursor() as cursor:
        HypertablePolicy.objects.create(
            table_name="lost",
            time_column="time",
            chunk_time_interval=HOUR,
            drop_after=DAY,
            retention_schedule_interval=HOUR,
        )
        [failed] = services.enforce_retention(now=NOW)
        assert (failed.table_name, failed.outcome) == ("lost", Outcome.FAILED)
        assert failed.detail.startswith("lost: there is no such table or view.")
        [again] = services.enforce_retention(now=NOW + HOUR)
        assert (again.pk, again.finished_at >= NOW + HOUR) == (failed.pk, True), "a failure that lasts is one row"
        cursor.execute("CREATE TABLE lost (time timestamptz)")
        [works] = services.enforce_retention(now=NOW)
        assert (works.table_name, works.outcome) == ("lost", Outcome.NOTHING)
        assert services.enforce_retention(now=NOW) == ()


def test_one_process_at_a_time(migrated_url, django_db_blocker):
    with django_db_blocker.unblock(), as_default(migrated_url) as other, other.cursor() as cursor:
        cursor.execute("SELECT 1")
        with one_at_a_time("timescale.enforce_retention") as held, as_default(migrated_url):
            assert held
            assert services.enforce_retention(now=NOW) == ()


def test_history_is_bounded(database, monkeypatch):
    monkeypatch.setattr("timescale.services.upkeep.RUNS_KEPT", 3)
    for number in range(5):
        RetentionRun.objects.create(
            started_at=NOW, finished_at=NOW, outcome=Outcome.DONE, table_name=f"t{number}", enforced_by=BATCHED_DELETE
        )
    assert services.prune_history(now=NOW) == 2
    assert [run.table_name for run in RetentionRun.objects.all()] == ["t4", "t3", "t2"]

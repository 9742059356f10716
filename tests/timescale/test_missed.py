"""Rows that come too late for an aggregate's policy: read before the retention takes them, and never at a loss."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.timescale.factories import DAY, HOUR, at, copy_scans, scan
from tests.timescale.standing import ask
from timescale import services, tasks
from timescale.engine.refreshing import Missed, Window, late_window
from timescale.metrics import hypertables_summary
from timescale.metrics.summary import AggregateRow
from timescale.services.adoption import upgrade
from timescale.store import catalog

MINUTE = timedelta(minutes=1)


def window(start: int, end: int) -> Window:
    return Window(at(start), at(end))


def test_only_what_a_policy_does_not_reach_is_late():
    before = at(9, 0, 30)
    assert late_window(at(7, 0, 10), at(7, 4, 50), width=MINUTE, before=before) == Window(at(7), at(7, 5))
    # The bucket that the reach begins in is not whole for the policy, and so read here.
    assert late_window(at(8, 59), at(23), width=MINUTE, before=before) == Window(at(8, 59), at(9, 1))
    assert late_window(at(9, 1), at(23), width=MINUTE, before=before) is None


@pytest.mark.parametrize(
    ("rows", "held", "alone", "start", "safe"),
    [
        (True, False, False, 7, True),
        (True, False, False, 1, True),  # nothing is there to lose
        (True, True, False, 7, True),
        (True, True, False, 1, False),  # the retention was there: the rows may be a part of what was read
        (True, True, True, 7, False),  # somebody dropped rows by hand
        (False, True, True, 7, False),
        (False, False, False, 7, False),
    ],
)
def test_a_late_window_is_read_only_where_it_can_but_add(rows, held, alone, start, safe):
    one = Missed("v", window(start, start + 1), rows=rows, held=held, alone=alone)
    assert one.safe(kept_since=at(5)) is safe
    assert one.safe(kept_since=None) is (safe or (rows and not alone))


def missed() -> list[tuple[str, Window]]:
    found = services.plan_missed(catalog.read_catalog(connection), now=timezone.now())
    return [(one.view, one.window) for one in found.readable]


def minutes() -> AggregateRow:
    [row] = [row for row in hypertables_summary(now=timezone.now()).aggregates if row.view == "scan_results_1min"]
    return row


def materialized(since, until) -> list[tuple]:
    """Without what a query adds from the rows."""
    [(name,)] = ask(
        "SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) "
        "FROM timescaledb_information.continuous_aggregates WHERE view_name = 'scan_results_1min'"
    )
    return ask(
        f"SELECT bucket, symbol, sample_count FROM {name} "
        f"WHERE bucket >= '{since}' AND bucket < '{until}' ORDER BY 1, 2"
    )


@pytest.mark.community
def test_a_backfill_outlives_the_rows_it_brought(own_community):
    now = timezone.now().replace(second=0, microsecond=0)
    upgrade(now=now)
    copy_scans(scan(now - 3 * HOUR + n * 10 * timedelta(seconds=1)) for n in range(1000))
    ask(f"CALL refresh_continuous_aggregate('scan_results_1min', '{now - 4 * HOUR}', '{now}')")
    assert missed() == []

    late = (now - 50 * HOUR).replace(minute=10)
    copy_scans(scan(late + n * timedelta(seconds=10), "LATE") for n in range(12))
    chunk = late.replace(minute=0)  # never read before: all of it
    assert missed() == [("scan_results_1min", Window(chunk, chunk + HOUR))]
    assert minutes().condition == "attention"
    assert f"has not read what came late, from {chunk:%Y-%m-%d %H:%M} UTC on" in minutes().why

    [done] = services.refresh_missed(now=timezone.now())
    assert done.window == Window(chunk, chunk + HOUR)
    assert missed() == []
    assert services.refresh_missed(now=timezone.now()) == ()
    buckets = [(late, "LATE", 6), (late + MINUTE, "LATE", 6)]
    assert materialized(late, late + HOUR) == buckets

    # A second part of the same minute is added to it, while the rows of the first are there.
    copy_scans([scan(late + 5 * timedelta(seconds=1), "LATE")])
    [done] = services.refresh_missed(now=timezone.now())
    assert done.window == Window(late, late + MINUTE)
    buckets[0] = (late, "LATE", 7)
    assert materialized(late, late + HOUR) == buckets

    # Once they are dropped, one more of them is not all there was.
    ask(f"SELECT drop_chunks('scan_results', older_than => '{late + HOUR}'::timestamptz)")
    copy_scans([scan(late + 7 * timedelta(seconds=1), "LATE")])
    assert missed() == []
    assert services.refresh_missed(now=timezone.now()) == ()
    assert materialized(late, late + HOUR) == buckets
    # It stays unread, and the page says in which hour.
    assert minutes().held_back == (Window(chunk, chunk + HOUR),)
    assert f"but for rows that came late, from {chunk:%Y-%m-%d %H:%M} UTC on" in minutes().why
    looker = Client()
    looker.force_login(User.objects.create_superuser("ana"))
    page = looker.get(reverse("hypertables:aggregate", args=[minutes().policy_id])).content.decode()
    assert "Rows came late and stay unread" in page
    assert f"<li>{chunk:%m-%d} {chunk:%H:%M:%S}" in page


@pytest.mark.community
def test_the_first_retention_waits_for_the_aggregates(own_community):
    """Rows that stood before the console, `migrate` and no `upgrade`: the job would take four days of them unread."""
    now = timezone.now().replace(second=0, microsecond=0)
    copy_scans(scan(now - hours * HOUR + n * MINUTE) for hours in (100, 99, 80, 3) for n in range(5))
    made = {(one.relation, str(one.kind)) for one in services.reconcile_policies()}
    assert ("scan_results", "columnstore") in made
    assert ("scan_results", "retention") not in made

    assert services.refresh_missed(now=now, budget=timedelta(0)) == (), "the time of this tick is spent"
    assert {one.view for one in services.refresh_missed(now=now)} == {"scan_results_1min"}
    assert len(materialized(now - 5 * DAY, now - 2 * HOUR)) == 20
    assert [(one.relation, str(one.kind)) for one in services.reconcile_policies()] == [("scan_results", "retention")]


@pytest.mark.community
def test_what_a_job_that_stood_still_left_is_read(own_community):
    """Its watermark is ahead again at the first run, its buckets of the hours between are not there."""
    now = timezone.now().replace(second=0, microsecond=0)
    upgrade(now=now)
    copy_scans(scan(now - 10 * HOUR + n * MINUTE) for n in range(600))
    ask(f"CALL refresh_continuous_aggregate('scan_results_1min', '{now - HOUR}', '{now}')")
    assert tasks.refresh_missed.apply().successful()
    assert len(materialized(now - 11 * HOUR, now)) == 600


def test_plain_views_miss_nothing(database, edition):
    copy_scans([scan(timezone.now() - 2 * DAY)])
    found = services.plan_missed(catalog.read_catalog(connection), now=timezone.now())
    assert bool(found.readable) is (edition == "community")
    assert found.held_back == ()

"""The decisions, without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.timescale.factories import DAY, HOUR, at, wanted_table, wanted_view
from timescale.engine import drift
from timescale.engine.condition import judge, slack
from timescale.engine.drift import Hypertable, Job, Kind, View
from timescale.engine.durations import spell
from timescale.engine.edition import Detection, Edition
from timescale.engine.policies import LONGEST, enforced_by, reach_problems, table_problems, view_problems

NOW = at(15)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (3 * DAY, "3 days"),
        (DAY + 12 * HOUR, "1 day 12 h"),
        (90 * MINUTE, "1 h 30 min"),
        (timedelta(seconds=30), "30 s"),
        (timedelta(milliseconds=5), "0 s"),
        (-HOUR, "−1 h"),
    ],
)
def test_durations_are_spelled(duration, text):
    assert spell(duration) == text


COMMUNITY = Detection("2.28.3", "2.28.3", True, "timescale", True)


@pytest.mark.parametrize(
    ("detection", "edition", "to_be", "means"),
    [
        (COMMUNITY, "community", "community", "own jobs"),
        (replace(COMMUNITY, available="2.29.0"), "community", "community", "ALTER EXTENSION timescaledb UPDATE"),
        (replace(COMMUNITY, licence="apache"), "apache", "apache", "Beat drops whole chunks"),
        (replace(COMMUNITY, installed=None, licence=None), "none", "community", "is not created in this database"),
        (replace(COMMUNITY, installed=None, licence="apache"), "none", "apache", "is not created in this database"),
        (replace(COMMUNITY, installed=None, preloaded=False), "none", "none", "shared_preload_libraries"),
        (replace(COMMUNITY, installed=None, can_create=False), "none", "none", "may not create extensions"),
        # A licence line in the configuration file alone installs nothing.
        (Detection(None, None, False, "timescale", True), "none", "none", "Plain PostgreSQL"),
    ],
)
def test_the_edition_is_what_is_installed(detection, edition, to_be, means):
    assert (detection.edition, detection.edition_to_be) == (edition, to_be)
    assert means in detection.means


def test_who_enforces():
    assert enforced_by(Edition.COMMUNITY, is_hypertable=True) == "TimescaleDB job"
    assert enforced_by(Edition.APACHE, is_hypertable=True) == "beat: drop_chunks"
    for edition in Edition:
        assert enforced_by(edition, is_hypertable=False) == "beat: batched DELETE"


def test_a_sound_wish_has_no_problems():
    assert table_problems(wanted_table()) == ()
    assert view_problems(wanted_view()) == ()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"drop_after": -DAY}, "drop_after must be positive"),
        ({"schedule_interval": timedelta(0)}, "schedule_interval must be positive"),
        ({"chunk_time_interval": 4 * DAY}, "drop_after must not be below chunk_time_interval"),
        ({"chunk_time_interval": 3 * HOUR}, "columnstore_after must not be below chunk_time_interval"),
        ({"drop_after": 2 * HOUR}, "columnstore_after must be below drop_after"),
        ({"time_is_date": True, "chunk_time_interval": 36 * HOUR}, "must be whole days"),
    ],
)
def test_a_dangerous_wish_is_named(values, says):
    assert any(says in problem for problem in table_problems(wanted_table(**values)))


def test_a_dates_smallest_chunk_may_be_wider_than_what_is_compressed():
    assert table_problems(wanted_table(time_is_date=True, chunk_time_interval=DAY)) == ()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"start_offset": timedelta(seconds=149)}, "two buckets"),
        ({"end_offset": -MINUTE}, "end_offset must not be negative"),
        ({"drop_after": 30 * MINUTE}, "drop_after must not be below start_offset"),
    ],
)
def test_a_dangerous_refresh_is_named(values, says):
    assert any(says in problem for problem in view_problems(wanted_view(**values)))


def test_a_refresh_window_of_exactly_two_buckets_is_enough():
    assert view_problems(wanted_view(start_offset=timedelta(seconds=150))) == ()


def test_reach_is_a_matter_of_both_ends():
    """The aggregate and what it reads are both told, and a third is not. As far back as the source is allowed."""
    minutes, hours = wanted_view(start_offset=3 * DAY), wanted_view(view="hours", source="scan_results_1min")
    tables, views = [wanted_table()], [minutes, hours]
    assert reach_problems("scan_results", tables=tables, views=views) == ()
    too_far = [replace(minutes, start_offset=3 * DAY + MINUTE), hours]
    for name, count in (("scan_results", 1), ("scan_results_1min", 1), ("hours", 0)):
        assert len(reach_problems(name, tables=tables, views=too_far)) == count
    unbounded = [wanted_table(enabled=False)]
    assert reach_problems("scan_results", tables=unbounded, views=too_far) == ()


def test_cutoff_of_a_date_keeps_the_day_it_falls_in():
    assert wanted_table().cutoff(now=NOW) == NOW - 3 * DAY
    assert wanted_table(time_is_date=True).cutoff(now=NOW) == date(2026, 3, 7)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(
    drop_after=st.timedeltas(min_value=timedelta(seconds=1), max_value=400 * DAY),
    age=st.timedeltas(min_value=timedelta(0), max_value=800 * DAY),
    is_date=st.booleans(),
)
def test_the_cutoff_never_takes_what_is_within_the_bound(drop_after, age, is_date):
    time = NOW - age
    cutoff = wanted_table(drop_after=drop_after, time_is_date=is_date).cutoff(now=NOW)
    goes = (time.date() if is_date else time) < cutoff
    if age <= drop_after:
        assert not goes
    if age > drop_after + DAY:
        assert goes


# --- drift -----------------------------------------------------------------------------------------------------------
ACTUAL = Hypertable("scan_results", HOUR, 3, 1, True, "symbol,session", '"time" DESC')


def job(kind: Kind, *, relation: str = "scan_results", **values) -> Job:
    defaults = {"after": None, "start_offset": None, "end_offset": None, "schedule_interval": HOUR, "scheduled": True}
    told = {"last_run": None, "last_ok": None, "last_status": None, "last_error": None}
    return Job(1000, kind, relation, **{**defaults, **told, **values})


JOBS = [
    job(Kind.RETENTION, after=3 * DAY),
    job(Kind.COLUMNSTORE, after=2 * HOUR, schedule_interval=30 * MINUTE),
    job(Kind.RETENTION, relation="another", after=HOUR),
]


def kinds(differences) -> list[Kind]:
    return [difference.kind for difference in differences]


def test_what_is_as_wanted_differs_in_nothing():
    assert drift.compare_table(wanted_table(), ACTUAL, jobs=JOBS) == ()


def test_every_difference_has_its_kind():
    assert kinds(drift.compare_table(wanted_table(), None, jobs=JOBS)) == [Kind.HYPERTABLE]
    assert kinds(drift.compare_table(wanted_table(), ACTUAL, jobs=[])) == [Kind.COLUMNSTORE, Kind.RETENTION]
    assert kinds(drift.compare_table(wanted_table(drop_after=2 * DAY), ACTUAL, jobs=JOBS)) == [Kind.RETENTION]
    assert kinds(drift.compare_table(wanted_table(columnstore=None), ACTUAL, jobs=JOBS)) == [Kind.COLUMNSTORE]
    wide = replace(ACTUAL, chunk_time_interval=7 * DAY)
    assert kinds(drift.compare_table(wanted_table(), wide, jobs=JOBS)) == [Kind.CHUNKS]
    for other in (
        replace(ACTUAL, columnstore=False),
        replace(ACTUAL, segmentby="symbol"),
        replace(ACTUAL, orderby="time"),
    ):
        assert kinds(drift.compare_table(wanted_table(), other, jobs=JOBS)) == [Kind.COLUMNSTORE_SETTINGS]


def test_a_paused_job_and_a_second_one_are_differences():
    paused = [replace(JOBS[0], scheduled=False), JOBS[1]]
    [difference] = drift.compare_table(wanted_table(), ACTUAL, jobs=paused)
    assert difference.actual == "after 3 days, every 1 h, paused"
    assert kinds(drift.compare_table(wanted_table(), ACTUAL, jobs=[*JOBS, JOBS[0]])) == [Kind.RETENTION]


def test_a_disabled_wish_wants_no_job_and_leaves_the_rest():
    wide = replace(ACTUAL, chunk_time_interval=7 * DAY)
    found = drift.compare_table(wanted_table(enabled=False), wide, jobs=JOBS)
    assert kinds(found) == [Kind.COLUMNSTORE, Kind.RETENTION]
    assert {difference.wanted for difference in found} == {"no job"}
    assert drift.compare_table(wanted_table(enabled=False), ACTUAL, jobs=[]) == ()


def test_a_view_has_its_differences():
    view = View("scan_results_1min", continuous=True, materialized_only=False)
    told = {"relation": "scan_results_1min"}
    refresh = job(
        Kind.REFRESH,
        start_offset=HOUR,
        end_offset=timedelta(seconds=30),
        schedule_interval=timedelta(seconds=30),
        **told,
    )
    retention = job(Kind.RETENTION, after=30 * DAY, schedule_interval=6 * HOUR, **told)
    assert drift.compare_view(wanted_view(), view, jobs=[refresh, retention]) == ()
    assert kinds(drift.compare_view(wanted_view(), None, jobs=[])) == [Kind.AGGREGATE]
    assert kinds(drift.compare_view(wanted_view(), replace(view, continuous=False), jobs=[])) == [Kind.AGGREGATE]
    assert kinds(drift.compare_view(wanted_view(drop_after=None), view, jobs=[refresh])) == []
    other = replace(view, materialized_only=True)
    assert kinds(drift.compare_view(wanted_view(), other, jobs=[retention])) == [Kind.MATERIALIZED_ONLY, Kind.REFRESH]


# --- condition -------------------------------------------------------------------------------------------------------
def condition(*, age: timedelta | None = HOUR, **values):
    asked = {"unreadable": None, "allowed": HOUR, "failure": None, "remarks": (), "now": NOW}
    wanted = values.pop("wanted", wanted_table())
    return judge(wanted, oldest_at=None if age is None else NOW - age, **{**asked, **values})


def test_the_worst_word_wins():
    assert condition().word == "within"
    assert condition(age=None).word == "within"
    assert condition(age=3 * DAY + HOUR).word == "within"
    assert condition(age=3 * DAY + HOUR + MINUTE).word == "over"
    assert condition(age=9 * DAY, failure="disk full").why.endswith("allowed: disk full.")
    assert condition(failure="disk full", remarks=["drift."]).why == "The last run failed: disk full. drift."
    assert condition(remarks=["drift."]).why == "drift."
    assert condition(wanted=wanted_table(drop_after=LONGEST)).why == "Everything is kept for now."
    assert condition(wanted=wanted_table(enabled=False), age=900 * DAY).word == "attention"
    assert condition(unreadable="no answer", failure="disk full", age=None).word == "unknown"


def test_slack_is_what_each_way_of_enforcing_takes():
    asked = {"edition": Edition.COMMUNITY, "is_hypertable": True}
    assert slack(wanted_table(), **asked) == 2 * HOUR  # a chunk, and the time until the job looks
    assert slack(wanted_table(), **{**asked, "edition": Edition.APACHE}) == HOUR + MINUTE
    assert slack(wanted_table(), edition=Edition.NONE, is_hypertable=False) == MINUTE
    assert slack(wanted_table(time_is_date=True), edition=Edition.NONE, is_hypertable=False) == DAY + MINUTE

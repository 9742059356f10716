"""What is said of a job, of an aggregate that lags, of growth and of chunks. Without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.timescale.factories import DAY, HOUR, at, wanted_view
from tests.timescale.test_engine import job
from timescale.engine.chunks import STRIP, Chunk, strip_of
from timescale.engine.doctor import behind, diagnose, is_overdue, trouble_of, unread_since
from timescale.engine.drift import Kind
from timescale.engine.growth import days_until, per_day

NOW = at(15)
MINUTE = timedelta(minutes=1)
WORKS = job(
    Kind.RETENTION, after=3 * DAY, last_run=NOW - HOUR, last_ok=NOW - HOUR, last_status="Success", next_start=NOW
)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"scheduled": False}, "Paused"),
        ({"last_status": "Failed", "last_error": "disk full", "failures_in_a_row": 3}, "Failed 3 times in a row: disk"),
        ({"last_status": "Failed", "last_error": None}, "kept no message"),
        ({"last_status": "Failed", "last_error": "failed to start a background worker"}, "Out of background workers."),
        ({"last_ok": NOW - 3 * HOUR}, "Late: no success for 3 h"),
        ({"last_ok": None}, "Late: no success yet"),
        ({"last_run": None, "last_ok": None, "last_status": None, "next_start": NOW - HOUR}, "was due 1 h ago"),
    ],
)
def test_a_job_that_does_not_do_its_work_is_named(values, says):
    found = diagnose(replace(WORKS, **values), now=NOW, workers=8, applied_at=NOW)
    assert found.word == "attention"
    assert says in found.text
    assert found.cure


def test_a_job_that_works_or_has_had_no_time_is_within():
    new = {"last_run": None, "last_ok": None, "last_status": None}
    for values in (
        {},
        {"last_ok": NOW - 2 * HOUR},
        {"last_ok": NOW - 9 * HOUR, "status": "Running"},
        {**new, "next_start": NOW + HOUR},
        {**new, "next_start": None},
    ):
        assert diagnose(replace(WORKS, **values), now=NOW, workers=8, applied_at=NOW - MINUTE).word == "within"
    never = replace(WORKS, **new, next_start=None)
    late = diagnose(never, now=NOW, workers=0, applied_at=NOW - HOUR)
    assert late.word == "attention" and "allows 0 background workers" in late.cure


# As PostgreSQL 15.20 counts each run of TimescaleDB 2.28.3: its work is done, and then it is a failure.
ENDED_BADLY = replace(
    WORKS, last_ok=None, last_status="Failed", last_error="cannot drop portal", last_error_code="24000"
)


def test_a_run_that_did_its_work_and_is_counted_as_failed_is_no_failure_of_the_table():
    found = diagnose(ENDED_BADLY, now=NOW, workers=8, applied_at=NOW)
    assert (found.word, ENDED_BADLY.failed, ENDED_BADLY.worked_at) == ("within", False, NOW - HOUR)
    assert "counts it as failed" in found.text
    assert diagnose(ENDED_BADLY, now=NOW + 3 * HOUR, workers=8, applied_at=NOW).word == "attention"
    assert "PostgreSQL 15.20" in trouble_of([WORKS, ENDED_BADLY], postgres="15.20", extension="2.28.3")
    assert trouble_of([WORKS], postgres="15.20", extension="2.28.3") == ""


def test_only_a_job_that_waits_for_a_failure_that_was_none_is_overdue():
    waits = replace(ENDED_BADLY, next_start=NOW + 4 * HOUR)  # every hour, last run an hour ago
    assert is_overdue(waits, now=NOW)
    assert not is_overdue(waits, now=NOW - MINUTE)
    assert not is_overdue(replace(waits, next_start=NOW - MINUTE), now=NOW), "the server is about to start it"
    for values in (
        {"scheduled": False},
        {"status": "Running"},
        {"last_error_code": "53100"},
        {"last_status": "Success"},
    ):
        assert not is_overdue(replace(waits, **values), now=NOW)


def test_an_aggregate_is_behind_of_its_source_not_of_the_clock():
    view = wanted_view()  # a minute's buckets, refreshed from an hour to half a minute back, every half minute

    def late(unread):
        return behind(view, unread=unread, now=NOW)

    assert late(None) is None, "nothing new since"
    assert late(NOW - 2 * MINUTE) is None
    assert late(NOW - HOUR) == HOUR - 4 * MINUTE


def test_rows_are_looked_for_only_where_an_aggregate_may_be_behind():
    view = wanted_view()
    quiet = NOW - 8 * HOUR  # no new rows since
    assert unread_since(view, watermark=quiet, newest=quiet, now=NOW) is None
    assert unread_since(view, watermark=NOW - 2 * MINUTE, newest=NOW, now=NOW) is None
    assert unread_since(view, watermark=None, newest=None, now=NOW) is None
    assert unread_since(view, watermark=quiet, newest=NOW, now=NOW) == quiet
    assert unread_since(view, watermark=None, newest=NOW, now=NOW) == NOW - HOUR


def test_growth_needs_half_an_hour_and_two_known_sizes():
    told = {"then_at": NOW - 6 * HOUR, "now_at": NOW}
    assert per_day(then=100, now=125, **told) == 100
    assert per_day(then=100, now=50, **told) == -200
    assert per_day(then=None, now=50, **told) is None
    assert per_day(then=1, now=2, then_at=NOW - MINUTE, now_at=NOW) is None
    assert days_until(1000, used=500, growth_per_day=50) == 10
    assert days_until(1000, used=1000, growth_per_day=None) == 0
    assert days_until(1000, used=500, growth_per_day=-1) is None
    assert days_until(1000, used=500, growth_per_day=None) is None


def chunk(hour: int, **values) -> Chunk:
    told = {"compressed": False, "late_rows": False, "bytes": 8192, "rows_estimate": 10}
    return Chunk(f'_timescaledb_internal."_hyper_1_{hour}_chunk"', at(hour), at(hour + 1), **{**told, **values})


def test_the_strip_says_each_form_by_its_height_and_marks_what_is_past():
    chunks = [chunk(1, compressed=True), chunk(2, compressed=True, late_rows=True), chunk(3)]
    bars = strip_of(chunks, cutoff=at(2))
    assert [bar.chunk.form for bar in bars] == ["column", "partial", "row"]
    assert bars[0].height < bars[1].height < bars[2].height
    assert [bar.past for bar in bars] == [True, False, False]
    assert [bar.x for bar in bars] == sorted(bar.x for bar in bars)
    assert bars[-1].x + bars[-1].width <= STRIP
    assert bars[0].chunk.label == "_hyper_1_1_chunk"
    assert strip_of([], cutoff=None) == ()
    assert not any(bar.past for bar in strip_of(chunks, cutoff=None))

"""Three sides tell who changed what: the row, the server, and what was last applied. Without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.timescale.factories import DAY, HOUR, wanted_table, wanted_view
from tests.timescale.test_engine import ACTUAL, JOBS, job
from timescale.engine import drift
from timescale.engine.drift import Kind, State, View

MINUTE = timedelta(minutes=1)
IN_SYNC = {one.kind: one.wanted_mark for one in drift.survey_table(wanted_table(), ACTUAL, jobs=JOBS, applied={})}


def state_of(kind: Kind, *, wanted=None, actual=ACTUAL, jobs=JOBS, applied=IN_SYNC) -> drift.Aspect:
    found = drift.survey_table(wanted or wanted_table(), actual, jobs=jobs, applied=applied)
    return next(one for one in found if one.kind is kind)


def test_what_is_equal_is_in_sync_whatever_was_applied():
    for applied in (IN_SYNC, {}, dict.fromkeys(IN_SYNC, "something else")):
        found = drift.survey_table(wanted_table(), ACTUAL, jobs=JOBS, applied=applied)
        assert {one.state for one in found} == {State.IN_SYNC}


RETENTION, COLUMNSTORE = JOBS[0], JOBS[1]


@pytest.mark.parametrize(
    ("jobs", "wanted", "applied", "state", "by_itself"),
    [
        # The row was edited, by whatever door; the server still has what was applied.
        (JOBS, {"drop_after": 2 * DAY}, IN_SYNC, State.CHANGED_IN_CONSOLE, True),
        # The server was changed; the row is what was applied.
        ([replace(RETENTION, after=9 * DAY), COLUMNSTORE], {}, IN_SYNC, State.CHANGED_IN_DATABASE, False),
        # Both were: a person decides.
        ([replace(RETENTION, after=9 * DAY)], {"drop_after": 2 * DAY}, IN_SYNC, State.CHANGED_IN_DATABASE, False),
        # A job that was there before this console.
        ([replace(RETENTION, after=7 * DAY)], {}, {}, State.CHANGED_IN_DATABASE, False),
        # Never there: made. Removed by somebody: told.
        ([], {}, {}, State.MISSING, True),
        ([], {}, IN_SYNC, State.MISSING, False),
        ([replace(RETENTION, scheduled=False)], {}, IN_SYNC, State.PAUSED, False),
        ([replace(RETENTION, scheduled=False, after=DAY)], {}, IN_SYNC, State.CHANGED_IN_DATABASE, False),
        ([RETENTION, RETENTION], {}, IN_SYNC, State.EXTRA, False),
        (JOBS, {"enabled": False}, IN_SYNC, State.CHANGED_IN_CONSOLE, True),
        (JOBS, {"enabled": False}, {Kind.RETENTION: drift.NONE}, State.EXTRA, False),
    ],
)
def test_a_job_has_its_state(jobs, wanted, applied, state, by_itself):
    found = state_of(Kind.RETENTION, wanted=wanted_table(**wanted), jobs=jobs, applied=applied)
    assert (found.state, found.mended_by_itself) == (state, by_itself)


def test_settings_that_somebody_changed_are_wrong_settings():
    wide = replace(ACTUAL, chunk_time_interval=7 * DAY)
    assert state_of(Kind.CHUNKS, actual=wide).state is State.WRONG_SETTINGS
    other = replace(ACTUAL, segmentby="symbol")
    assert state_of(Kind.COLUMNSTORE_SETTINGS, actual=other).state is State.WRONG_SETTINGS
    edited = wanted_table(chunk_time_interval=30 * MINUTE)
    assert state_of(Kind.CHUNKS, wanted=edited).state is State.CHANGED_IN_CONSOLE


def test_a_second_that_the_sentence_rounds_away_is_a_difference_all_the_same():
    nearly = [replace(RETENTION, after=3 * DAY + timedelta(seconds=1)), COLUMNSTORE]
    found = state_of(Kind.RETENTION, jobs=nearly)
    assert found.state is State.CHANGED_IN_DATABASE


def test_adopting_names_the_fields_of_the_row():
    other = [replace(RETENTION, after=9 * DAY, schedule_interval=DAY), replace(COLUMNSTORE, after=5 * HOUR)]
    assert state_of(Kind.RETENTION, jobs=other).adopt == {"drop_after": 9 * DAY, "retention_schedule_interval": DAY}
    assert state_of(Kind.COLUMNSTORE, jobs=other).adopt == {
        "columnstore_after": 5 * HOUR,
        "columnstore_schedule_interval": 30 * MINUTE,
    }
    none = state_of(Kind.COLUMNSTORE, jobs=[RETENTION])
    assert none.adopt == {"columnstore_after": None, "columnstore_schedule_interval": None}
    settings = replace(ACTUAL, segmentby='"symbol"', orderby='"time" DESC, score')
    found = state_of(Kind.COLUMNSTORE_SETTINGS, actual=settings)
    assert found.adopt == {"segmentby": "symbol", "orderby": "time DESC, score"}
    assert drift.in_force([found]) == found.adopt


def test_what_no_row_can_say_is_not_adopted_and_says_why():
    for jobs in ([], [RETENTION, RETENTION], [replace(RETENTION, scheduled=False)]):
        found = state_of(Kind.RETENTION, jobs=jobs)
        assert found.adopt is None and found.why_not_adopt
    view = View("scan_results_1min", continuous=True, materialized_only=True)
    odd = job(Kind.RETENTION, relation=view.view, after=DAY, schedule_interval=HOUR)
    endless = job(Kind.REFRESH, relation=view.view, start_offset=None, end_offset=MINUTE)
    found = {one.kind: one for one in drift.survey_view(wanted_view(), view, jobs=[odd, endless], applied={})}
    assert found[Kind.MATERIALIZED_ONLY].adopt == {"materialized_only": True}
    assert found[Kind.RETENTION].adopt is None
    assert "erases" in found[Kind.REFRESH].why_not_adopt

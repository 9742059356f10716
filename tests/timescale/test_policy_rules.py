"""What would destroy data is refused: by the row itself, by the form, and where it spans two rows, by clean()."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from tests.timescale.factories import DAY, HOUR, as_text, form_data
from timescale.forms import AggregatePolicyForm, HypertablePolicyForm
from timescale.models import AggregatePolicy, HypertablePolicy

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    "values",
    [
        {"drop_after": -DAY},
        {"drop_after": timedelta(0)},
        {"chunk_time_interval": -HOUR},
        {"retention_schedule_interval": -HOUR},
        {"columnstore_after": -2 * HOUR},
        {"columnstore_schedule_interval": -HOUR},
        {"columnstore_schedule_interval": None},
        {"columnstore_after": 3 * DAY},
        {"chunk_time_interval": 3 * HOUR},
        {"drop_after": 30 * MINUTE, "columnstore_after": None, "columnstore_schedule_interval": None},
    ],
    ids=str,
)
def test_a_policy_that_would_lose_data_is_refused_by_the_row_and_by_the_form(database, values):
    """By the row itself: update(), loaddata and raw SQL can't walk around it. TimescaleDB would take `-1 day`."""
    row = HypertablePolicy.objects.get(table_name="scan_results")
    with pytest.raises(IntegrityError), transaction.atomic():
        HypertablePolicy.objects.filter(pk=row.pk).update(**values)
    form = HypertablePolicyForm({**form_data(HypertablePolicyForm, row), **as_text(values)}, instance=row)
    assert not form.is_valid()


@pytest.mark.parametrize(
    "values",
    [
        {"schedule_interval": -MINUTE},
        {"end_offset": -MINUTE},
        {"drop_after": -DAY},
        {"drop_after": 30 * MINUTE},
        {"start_offset": 2 * MINUTE},
    ],
    ids=str,
)
def test_an_aggregate_policy_that_would_lose_data_is_refused(database, values):
    row = AggregatePolicy.objects.get(view_name="scan_results_1min")
    with pytest.raises(IntegrityError), transaction.atomic():
        AggregatePolicy.objects.filter(pk=row.pk).update(**values)
    form = AggregatePolicyForm({**form_data(AggregatePolicyForm, row), **as_text(values)}, instance=row)
    assert not form.is_valid()


def test_a_refresh_may_not_reach_further_than_its_source(database):
    """Where the source has nothing any more, a refresh erases what the aggregate still holds."""
    view = AggregatePolicy.objects.get(view_name="scan_results_1min")
    view.start_offset = 4 * DAY
    with pytest.raises(ValidationError, match="refreshes 4 days back, but scan_results keeps 3 days"):
        view.full_clean()


def test_a_source_may_not_be_shortened_under_a_refresh(database):
    table = HypertablePolicy.objects.get(table_name="scan_results")
    table.drop_after, table.chunk_time_interval = 50 * MINUTE, 10 * MINUTE
    table.columnstore_after = 20 * MINUTE
    with pytest.raises(ValidationError, match="scan_results_1min refreshes 1 h back, but scan_results keeps 50 min"):
        table.full_clean()
    minutes = AggregatePolicy.objects.get(view_name="scan_results_1min")
    minutes.drop_after = 6 * DAY
    with pytest.raises(
        ValidationError, match="scan_results_1hour refreshes 7 days back, but scan_results_1min keeps 6 days"
    ):
        minutes.full_clean()

"""The page of a table in a real browser: what is typed outlives the polls, a bound is shortened and undone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.timescale.factories import scan
from timescale.models import HypertablePolicy, ScanResult

pytestmark = pytest.mark.browser
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def policy(transactional_db: None) -> HypertablePolicy:
    HypertablePolicy.objects.all().delete()
    ScanResult.objects.bulk_create(ScanResult(**scan(timezone.now() - n * HOUR)) for n in (1, 30))
    return HypertablePolicy.objects.create(
        table_name="scan_results",
        time_column="time",
        chunk_time_interval=HOUR,
        drop_after=3 * DAY,
        retention_schedule_interval=HOUR,
    )


def test_a_bound_is_shortened_with_consent_and_undone_while_the_page_polls(page, policy: HypertablePolicy) -> None:
    page.goto(f"/hypertables/tables/{policy.pk}/")
    page.select_option("#refresh", "1")
    page.fill("[name=older_than]", "2 00:00:00")
    page.fill("[name=drop_after]", "1 00:00:00")
    page.wait_for_selector(".loss.losing:has-text('for good')")
    with page.expect_response(lambda answer: answer.url.endswith(f"/tables/{policy.pk}/") and answer.ok):
        pass  # a poll has come and gone
    assert page.input_value("[name=older_than]") == "2 00:00:00"
    assert page.input_value("[name=drop_after]") == "1 00:00:00"
    page.click("form.sheet button.primary")
    page.wait_for_selector(".error:has-text('first say whether this may go')")
    page.check("[name=consent]")
    page.click("form.sheet button.primary")
    page.click(".grace button:has-text('Undo: keep 3 d')")
    page.wait_for_selector(".message:has-text('Undone')")
    policy.refresh_from_db()
    assert policy.drop_after == 3 * DAY
    assert ScanResult.objects.count() == 2
    assert [text for text in page.complaints if "422" not in text] == []

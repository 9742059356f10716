"""Findings, changes, producers, jobs and verify in a real browser: they poll, keep what is open, fit a phone."""

from __future__ import annotations

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.utils import timezone

from streams import services
from streams.models import StreamLimit
from tests.streams.factories import fill, make_row

pytestmark = pytest.mark.browser
PAGES = ("/findings/", "/changes/", "/producers/", "/jobs/", "/verify/", "/")


@pytest.fixture
def orders(redis: redis_library.Redis, transactional_db: None) -> StreamLimit:
    StreamLimit.objects.all().delete()
    fill(redis, "orders", 900)
    return make_row("orders", 1000)


def test_a_finding_appears_by_itself_and_leads_to_its_cure(
    page, orders: StreamLimit, redis: redis_library.Redis
) -> None:
    page.goto("/findings/")
    page.select_option("#refresh", "1")
    assert page.locator(".findings", has_text="orders:").count() == 0
    fill(redis, "orders", range(901, 5000))
    page.wait_for_selector(".findings li:has-text('orders:')", timeout=5000)
    assert page.title().startswith("Findings (")
    page.click(".findings li:has-text('orders:') a")
    page.wait_for_selector("h1:has-text('orders')")
    assert page.complaints == []


def test_a_change_is_taken_back_while_the_page_polls(page, orders: StreamLimit) -> None:
    user = get_user_model().objects.get(username="ana")
    services.update_limit(orders.pk, {"maxlen": 950}, user_id=user.pk, now=timezone.now())
    page.goto("/changes/")
    page.select_option("#refresh", "1")
    page.wait_for_event("response", lambda answer: answer.url.endswith("/changes/"), timeout=5000)
    page.click("tr:has-text('1,000 → 950') button")
    page.wait_for_selector(".message")
    orders.refresh_from_db()
    assert orders.maxlen == 1000 and page.complaints == []


def test_a_task_is_run_from_its_page(page, orders: StreamLimit, redis: redis_library.Redis) -> None:
    fill(redis, "orders", range(901, 5000))
    page.goto("/jobs/")
    page.click("tr:has-text('streams.enforce_limits') button")
    page.wait_for_selector(".message:has-text('streams.enforce_limits is sent')")
    assert redis.xlen("orders") < 1300 and page.complaints == []


def test_an_opened_command_stays_open_when_the_page_polls(page, orders: StreamLimit) -> None:
    page.goto("/verify/")
    page.select_option("#refresh", "1")
    page.click("tr:has-text('XLEN orders') summary")
    for _ in range(2):
        page.wait_for_event("response", lambda answer: answer.url.endswith("/verify/"), timeout=8000)
    page.wait_for_selector("details[open] pre:has-text('XLEN orders')")
    assert "redis-cli -u redis://" in page.inner_text("details[open] pre")
    assert page.complaints == []


@pytest.mark.parametrize("path", PAGES)
def test_it_fits_a_phone(page, orders: StreamLimit, path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.complaints == []

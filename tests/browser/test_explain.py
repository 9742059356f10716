"""A number's drawer in a real browser: by its link, by the number itself, and closed again by keyboard."""

from __future__ import annotations

import pytest
import redis as redis_library

from streams.models import StreamLimit
from tests.streams.factories import fill, make_row

pytestmark = pytest.mark.browser


@pytest.fixture
def raw(redis: redis_library.Redis, transactional_db: None) -> StreamLimit:
    StreamLimit.objects.all().delete()  # what migrations put there, where no earlier test has flushed it
    fill(redis, "snapshots:raw", 900)
    return make_row("snapshots:raw", 1000)


def test_a_figures_link_opens_its_drawer_and_escape_gives_the_focus_back(page, raw: StreamLimit) -> None:
    page.goto("/")
    link = page.locator("a.explain[href='?explain=memory.used']").first
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#explained :text('INFO memory')")
    assert page.evaluate("document.activeElement.id") == "explained"
    assert page.url.endswith("/")
    page.keyboard.press("Escape")
    page.wait_for_selector("#explained", state="detached")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "?explain=memory.used"
    assert page.complaints == []


def test_a_click_on_a_number_explains_it_for_its_row(page, raw: StreamLimit) -> None:
    page.goto("/")
    page.click(f"#stream-{raw.pk} td.number")
    page.wait_for_selector("#explained :text('XLEN snapshots:raw')")
    page.click("#explained [data-close]")
    page.wait_for_selector("#explained", state="detached")
    assert page.complaints == []

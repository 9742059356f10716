"""The overview in a real browser: it refreshes, lets people type in peace, tells mistakes in place, fits a phone."""

from __future__ import annotations

import re

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


def _every_second(page) -> None:
    page.goto("/")
    page.select_option("#refresh", "1")


def test_it_refreshes_by_itself_and_says_when(page, raw: StreamLimit, redis: redis_library.Redis) -> None:
    _every_second(page)
    assert page.inner_text(f"#stream-{raw.pk} td.number").strip() == "900"
    fill(redis, "snapshots:raw", range(901, 951))
    page.wait_for_selector(f"#stream-{raw.pk} td.number:text-is('950')", timeout=5000)
    assert re.fullmatch(r"refreshed \d\d:\d\d:\d\d", page.inner_text("#pulse"))
    assert page.complaints == []


def test_off_stays_off_on_the_next_page(page, raw: StreamLimit, redis: redis_library.Redis) -> None:
    page.goto("/")
    page.select_option("#refresh", "0")
    page.wait_for_selector("#pulse:has-text('paused at')")
    page.goto("/streams/")
    assert page.input_value("#refresh") == "0"
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(1500)
    assert asked == []


def test_a_hidden_tab_does_not_ask(page, raw: StreamLimit) -> None:
    _every_second(page)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.wait_for_timeout(500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(1800)
    assert asked == []
    page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    page.wait_for_event("request", timeout=3000)


def test_a_poll_never_eats_a_half_typed_value(page, raw: StreamLimit) -> None:
    _every_second(page)
    page.click(f"#stream-{raw.pk} a.value")
    field = page.wait_for_selector(f"#maxlen-{raw.pk}")
    assert page.evaluate("document.activeElement.id") == f"maxlen-{raw.pk}"
    field.fill("12")
    assert page.inner_text(f"#maxlen-{raw.pk}-told") == "12 entries"
    page.wait_for_timeout(2500)  # two polls' time
    assert field.input_value() == "12"
    assert "paused while you edit" in page.inner_text("#pulse")
    field.press("Escape")
    page.wait_for_selector(f"#stream-{raw.pk} a.value")
    page.wait_for_selector("#pulse:has-text('refreshed')")
    assert page.complaints == []


def test_a_limit_is_edited_in_its_row(page, raw: StreamLimit) -> None:
    page.goto("/")
    page.click(f"#stream-{raw.pk} a.value")
    page.fill(f"#maxlen-{raw.pk}", "0")
    page.keyboard.press("Enter")
    said = page.wait_for_selector(f"#maxlen-{raw.pk}-error")
    assert "maxlen must be a whole number from 1" in said.inner_text()
    page.fill(f"#maxlen-{raw.pk}", "950")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#stream-{raw.pk} .saved:has-text('maxlen 1,000 → 950.')")
    raw.refresh_from_db()
    assert raw.maxlen == 950
    # The browser itself notes the 422 of the first attempt; nothing else.
    assert [text for text in page.complaints if "422" not in text] == []


def test_without_an_answer_the_page_fades_says_since_when_and_recovers(page, raw: StreamLimit) -> None:
    _every_second(page)
    page.route("**/", lambda route: route.abort() if route.request.headers.get("hx-request") else route.continue_())
    page.wait_for_selector("#pulse.failed:has-text('no answer since')")
    assert "snapshots:raw" in page.inner_text("#live")  # never disappears
    page.unroute("**/")
    page.wait_for_selector("#pulse:not(.failed):has-text('refreshed')")


@pytest.mark.parametrize("width", [390, 768, 1440])
@pytest.mark.parametrize("path", ["/", "/streams/", "/streams/limits/{}/"])
def test_nothing_needs_sideways_scrolling(page, raw: StreamLimit, width: int, path: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(path.format(raw.pk))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []


def test_it_reads_without_script(chromium, page, raw: StreamLimit) -> None:
    page.goto("/")
    plain = chromium.new_context(java_script_enabled=False)
    plain.add_cookies(page.context.cookies())
    reader = plain.new_page()
    reader.goto(page.url)
    assert "snapshots:raw" in reader.inner_text("#live")
    reader.click(f"#stream-{raw.pk} a.value")
    reader.fill("[name=maxlen]", "940")
    reader.click("button.primary")
    assert "saved" in reader.inner_text(".message")
    plain.close()
    raw.refresh_from_db()
    assert raw.maxlen == 940


def test_a_save_whose_row_can_not_be_drawn_is_said_in_place(page, raw: StreamLimit, settings) -> None:
    page.goto("/")
    page.click(f"#stream-{raw.pk} a.value")
    page.fill(f"#maxlen-{raw.pk}", "990")
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#stream-{raw.pk} .error:has-text('Saved: maxlen 1,000 → 990.')")
    raw.refresh_from_db()
    assert raw.maxlen == 990

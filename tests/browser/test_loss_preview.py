"""The loss preview in a real browser: it follows what is typed, asks once, and leaves the page refreshing."""

from __future__ import annotations

import json

import pytest
import redis as redis_library

from streams.models import StreamLimit
from tests.streams.factories import fill, make_group, make_row

pytestmark = pytest.mark.browser


@pytest.fixture
def raw(redis: redis_library.Redis, transactional_db: None) -> StreamLimit:
    """900 entries, of which `pricing` has read none."""
    StreamLimit.objects.all().delete()
    fill(redis, "snapshots:raw", 900)
    make_group(redis, "snapshots:raw", "pricing")
    return make_row("snapshots:raw", 1000, protect_groups=False)


def test_the_inline_editor_shows_the_loss_and_saves_it_only_when_it_is_ticked(page, raw: StreamLimit) -> None:
    page.goto("/streams/")
    page.click(f"#stream-{raw.pk} a.value")
    page.wait_for_selector(f"#maxlen-{raw.pk}:focus")
    page.select_option("#refresh", "1")  # now: a click that falls into a poll's swap is lost
    page.fill(f"#maxlen-{raw.pk}", "950")
    page.wait_for_selector(".loss:has-text('Keeps all 900 entries, loses nothing unread.')")
    page.fill(f"#maxlen-{raw.pk}", "100")
    page.wait_for_selector(".loss.losing:has-text('Group pricing loses 800 unread entries.')")
    assert page.evaluate("document.activeElement.id") == f"maxlen-{raw.pk}"  # a preview takes no focus
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#stream-{raw.pk} .error:has-text('Not saved.')")
    with page.expect_response("**/preview"):
        page.check(f"#accepted-loss-{raw.pk}")
    page.wait_for_selector(f"#accepted-loss-{raw.pk}:checked")  # it stays ticked in the preview that this asked for
    page.click(f"#stream-{raw.pk} button.primary")
    page.wait_for_selector(f"#stream-{raw.pk} .saved:has-text('maxlen 1,000 → 100.')")
    page.wait_for_selector("#pulse:has-text('refreshed')")
    raw.refresh_from_db()
    assert raw.maxlen == 100
    assert [text for text in page.complaints if "422" not in text] == []


def test_a_preview_that_comes_after_its_editor_is_gone_stops_no_refresh(page, raw: StreamLimit) -> None:
    page.goto("/streams/")
    page.click(f"#stream-{raw.pk} a.value")
    page.wait_for_selector(f"#maxlen-{raw.pk}:focus")
    page.select_option("#refresh", "1")  # now: a click that falls into a poll's swap is lost
    held: list[object] = []
    page.route("**/preview", lambda route: held.append(route))
    page.fill(f"#maxlen-{raw.pk}", "100")
    page.wait_for_event("request", lambda request: request.url.endswith("/preview"))
    page.keyboard.press("Escape")
    page.wait_for_selector(f"#stream-{raw.pk} a.value")
    for route in held:
        route.continue_()
    with page.expect_response(lambda answer: answer.url.endswith("/streams/"), timeout=5000):
        pass
    page.wait_for_selector("#pulse:has-text('refreshed')")
    assert page.complaints == []


def test_the_full_form_shows_it_above_save(page, raw: StreamLimit, redis: redis_library.Redis) -> None:
    redis.xadd("snapshots:raw", {"data": json.dumps({"bid": 1.5}), "wide": "x" * 3000})
    for width in (390, 800, 1290, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"/streams/limits/{raw.pk}/?group=pricing")
        page.fill("[name=maxlen]", "100")
        page.wait_for_selector(".loss.losing:has-text('Group pricing loses 801 unread entries.')")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("button.primary")
    page.wait_for_selector(".error:has-text('Not saved')")
    page.check(f"#accepted-loss-{raw.pk}")
    page.click("button.primary")
    page.wait_for_selector(".message:has-text('saved')")
    assert [text for text in page.complaints if "422" not in text] == []


def test_without_script_there_is_a_button(chromium, page, raw: StreamLimit) -> None:
    plain = chromium.new_context(java_script_enabled=False)
    page.goto("/streams/")
    plain.add_cookies(page.context.cookies())
    reader = plain.new_page()
    reader.goto(page.url + f"limits/{raw.pk}/")
    reader.fill("[name=maxlen]", "100")
    reader.click("button[formaction]")
    assert "Group pricing loses 800 unread entries." in reader.inner_text(".loss")
    reader.check("[name=accepted_loss]")
    reader.click("button.primary")
    assert "saved" in reader.inner_text(".message")
    plain.close()
    raw.refresh_from_db()
    assert raw.maxlen == 100

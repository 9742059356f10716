"""Without a mouse: from page to page, to the filter, into an editor and out of it, and nothing of it while typing."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import redis as redis_library

from streams.models import StreamLimit
from tests.streams.factories import fill, make_row

pytestmark = pytest.mark.browser


@pytest.fixture
def raw(redis: redis_library.Redis, transactional_db: None) -> StreamLimit:
    StreamLimit.objects.all().delete()
    fill(redis, "snapshots:raw", 900)
    return make_row("snapshots:raw", 1000)


def _go(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


@pytest.mark.parametrize(
    ("letter", "path"), [("s", "/streams/"), ("n", "/snapshots/"), ("h", "/hypertables/"), ("o", "/")]
)
def test_g_and_a_letter_go_to_a_page(page, raw: StreamLimit, letter: str, path: str) -> None:
    page.goto("/streams/" if letter == "o" else "/")
    _go(page, "g", letter)
    page.wait_for_url(lambda url: urlsplit(url).path == path)
    assert page.complaints == []


def test_the_sheet_opens_tells_every_page_and_closes(page, raw: StreamLimit) -> None:
    page.goto("/")
    page.keyboard.press("?")
    page.wait_for_selector("dialog#keys[open]")
    said = page.inner_text("#keys")
    for word in ("to Streams", "to Hypertables", "to the filter", "refresh now"):
        assert word in said
    _go(page, "g", "s")  # a dialog keeps the keys for itself
    assert "/streams" not in page.url
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog#keys:not([open])", state="attached")
    page.click("#help")
    page.wait_for_selector("dialog#keys[open]")


def test_a_slash_goes_to_the_filter_and_letters_typed_there_go_nowhere(page, raw: StreamLimit) -> None:
    page.goto("/streams/")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.type("g so?r/")
    assert page.input_value("[name=q]") == "g so?r/"
    assert page.locator("dialog[open]").count() == 0
    page.keyboard.press("Enter")
    page.wait_for_url("**/streams/?q=*")


def test_r_reads_now_also_while_polling_is_off(page, raw: StreamLimit, redis: redis_library.Redis) -> None:
    page.goto("/")
    page.select_option("#refresh", "0")
    page.evaluate("document.activeElement.blur()")
    fill(redis, "snapshots:raw", range(901, 951))
    page.keyboard.press("r")
    page.wait_for_selector(f"#stream-{raw.pk} td.number:text-is('950')")


def test_a_limit_is_edited_with_keys_alone(page, raw: StreamLimit) -> None:
    """Tab comes to the skip link first, then to the bar; the limit of a row is a link that opens its editor."""
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('a.value')"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"  # it is seen
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#maxlen-{raw.pk}")
    page.wait_for_function(f"document.activeElement.id === 'maxlen-{raw.pk}'")
    page.keyboard.type("950")
    page.wait_for_selector(".preview .loss")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#stream-{raw.pk} .saved:has-text('maxlen 1,000 → 950.')")
    raw.refresh_from_db()
    assert raw.maxlen == 950
    assert page.complaints == []


def test_the_browsers_own_zone_is_offered_and_kept(chromium, page, raw: StreamLimit) -> None:
    page.goto("/streams/")
    context = chromium.new_context(timezone_id="Europe/Madrid", base_url=page.url.removesuffix("/streams/"))
    context.add_cookies(page.context.cookies())
    there = context.new_page()
    there.goto("/streams/")
    there.select_option("#zone", "Europe/Madrid")
    there.wait_for_selector("#read-at:has-text('UTC+')")
    there.goto("/snapshots/")
    assert there.input_value("#zone") == "Europe/Madrid"
    context.close()

"""What an operator does in a browser from end to end: adopts a stream, takes a change back, is refused, on a phone."""

from __future__ import annotations

import re

import pytest
import redis as redis_library
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from streams import services
from streams.models import StreamLimit
from streams.producer import StreamProducer
from tests.streams.factories import fill, make_group, make_row

pytestmark = pytest.mark.browser


@pytest.fixture
def raw(redis: redis_library.Redis, transactional_db: None) -> StreamLimit:
    StreamLimit.objects.all().delete()
    fill(redis, "snapshots:raw", 900)
    return make_row("snapshots:raw", 1000)


def test_a_stream_that_nobody_bounds_is_adopted(page, raw: StreamLimit, redis: redis_library.Redis) -> None:
    fill(redis, "alerts:new", 300)
    services.discover_streams(now=timezone.now())
    page.goto("/streams/")
    page.click("a[href*='stream=alerts']")
    page.wait_for_selector("form.sheet")
    assert page.input_value("[name=pattern]") == "alerts:new"
    page.fill("[name=maxlen]", "200")
    page.fill("[name=trim_threshold]", "200")
    page.fill("[name=hard_maxlen]", "400")
    page.click("form.sheet button.primary")
    page.wait_for_selector(".message:has-text('added')")
    assert StreamLimit.objects.get(pattern="alerts:new").maxlen == 200
    page.goto("/streams/")
    assert page.locator("tr:has-text('alerts:new') a.value").count() == 1
    assert page.complaints == []


def test_a_change_is_taken_back(page, raw: StreamLimit, settings) -> None:
    page.goto(f"/streams/limits/{raw.pk}/")
    page.fill("[name=maxlen]", "950")
    page.click("form.sheet button.primary")
    page.wait_for_selector(".message:has-text('saved')")
    raw.refresh_from_db()
    assert raw.maxlen == 950
    page.click("button:has-text('take back')")
    page.wait_for_selector("main button.primary")
    page.click("main button.primary")
    page.wait_for_selector(".message")
    raw.refresh_from_db()
    assert raw.maxlen == 1000


def test_what_someone_else_saved_meanwhile_is_shown_beside_mine(page, raw: StreamLimit) -> None:
    page.goto("/")
    page.click(f"#stream-{raw.pk} a.value")
    page.wait_for_selector(f"#maxlen-{raw.pk}:focus")
    StreamLimit.objects.update(maxlen=960)
    page.fill(f"#maxlen-{raw.pk}", "950")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#maxlen-{raw.pk}-error:has-text('Someone saved “960” meanwhile')")
    assert page.input_value(f"#maxlen-{raw.pk}") == "950"
    page.click(f"#stream-{raw.pk} button.primary")
    page.wait_for_selector(f"#stream-{raw.pk} .saved:has-text('maxlen 960 → 950.')")
    raw.refresh_from_db()
    assert raw.maxlen == 950


def test_a_producer_obeys_what_was_saved_in_the_browser(
    page, raw: StreamLimit, redis: redis_library.Redis, wait_until
) -> None:
    before = services.publish_limits()
    with StreamProducer(redis, name="ingest") as producer:
        wait_until(lambda: producer.version == before, "the producer has the limit")
        page.goto("/")
        page.click(f"#stream-{raw.pk} a.value")
        page.fill(f"#maxlen-{raw.pk}", "200")
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#stream-{raw.pk} .saved:has-text('maxlen 1,000 → 200')")
        wait_until(lambda: producer.version == before + 1, "the producer has the new one")
        for number in range(100):
            producer.xadd("snapshots:raw", {"n": number})
        assert redis.xlen("snapshots:raw") < 500


def test_a_stream_is_trimmed_after_a_look_while_another_page_polls(
    chromium, page, raw: StreamLimit, redis: redis_library.Redis
) -> None:
    StreamLimit.objects.update(maxlen=100, trim_threshold=100, hard_maxlen=100)
    make_group(redis, "snapshots:raw", "pricing")  # which has read none of them
    overview = page.context.new_page()
    overview.goto("/")
    overview.select_option("#refresh", "1")
    page.goto("/streams/trim/snapshots:raw")
    page.click("button.primary")
    page.wait_for_selector(".error:has-text('first say whether this may be lost')")
    assert redis.xlen("snapshots:raw") == 900
    page.check("[name=accepted_loss]")
    page.click("button.primary")
    page.wait_for_selector(".message:has-text('Trimmed')")
    assert redis.xlen("snapshots:raw") < 300
    overview.wait_for_selector(f"#stream-{raw.pk} td.number:text-is('{redis.xlen('snapshots:raw')}')", timeout=5000)


@pytest.fixture
def viewer(chromium, page, django_user_model):
    """A page of a person in the group viewer."""
    luis = django_user_model.objects.create_user("luis", password="a long password")
    luis.groups.add(Group.objects.get(name="viewer"))
    client = Client()
    client.force_login(luis)
    page.goto("/login/")
    origin = page.url.removesuffix("/")
    context = chromium.new_context(base_url=origin)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": origin}])
    yield context.new_page()
    context.close()


def test_a_viewer_sees_everything_and_is_refused(viewer, raw: StreamLimit) -> None:
    viewer.goto("/streams/")
    assert "snapshots:raw" in viewer.inner_text("#live")
    assert viewer.locator("a.value").count() == 0
    viewer.goto(f"/streams/limits/{raw.pk}/")
    assert viewer.locator("main button.primary").count() == 0
    assert "You may look at this limit, not change it." in viewer.inner_text("main")
    viewer.goto("/streams/limits/new")
    assert "Your account may not do this" in viewer.inner_text("main")


def test_an_editor_left_open_when_the_console_became_read_only_is_told_in_place(
    page, raw: StreamLimit, settings
) -> None:
    page.goto("/streams/")
    page.click(f"#stream-{raw.pk} a.value")
    page.fill(f"#maxlen-{raw.pk}", "990")
    settings.READ_ONLY = True
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#stream-{raw.pk} .error:has-text('read-only')")
    page.goto("/streams/")
    assert "Read-only." in page.inner_text(".banner")
    assert page.locator("a.value").count() == 0
    raw.refresh_from_db()
    assert raw.maxlen == 1000


def test_a_limit_is_edited_on_a_phone_in_the_dark(page, raw: StreamLimit) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    page.goto("/")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(int(part) for part in re.findall(r"\d+", ground)[:3]) < 150
    page.click(f"#stream-{raw.pk} a.value")
    page.fill(f"#maxlen-{raw.pk}", "950")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click(f"#stream-{raw.pk} form[data-editing] button.primary")
    page.wait_for_selector(f"#stream-{raw.pk} .saved:has-text('maxlen 1,000 → 950.')")
    assert page.complaints == []


def test_a_person_logs_in(chromium, page, django_user_model) -> None:
    django_user_model.objects.create_superuser("eva", password="a long password")
    page.goto("/login/")
    context = chromium.new_context(base_url=page.url.removesuffix("/"))
    door = context.new_page()
    door.goto("/streams/")
    door.fill("[name=username]", "eva")
    door.fill("[name=password]", "wrong")
    door.keyboard.press("Enter")
    door.wait_for_selector(".error:has-text('do not match')")
    door.fill("[name=password]", "a long password")
    door.keyboard.press("Enter")
    door.wait_for_url("**/streams/")
    door.wait_for_load_state("networkidle")  # the tables are emptied after this: nobody may still be reading
    assert door.inner_text("h1") == "Streams"
    context.close()

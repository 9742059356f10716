"""The history chart and the destroying of a group in a real browser: drawn without style, readable on a phone."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis as redis_library
from django.utils import timezone

from streams.engine.samples import TICK, GroupSample, pack_groups
from streams.models import StreamLimit
from tests.streams.factories import fill, make_group, make_row, make_sample

pytestmark = pytest.mark.browser


@pytest.fixture
def raw(redis: redis_library.Redis, transactional_db: None) -> StreamLimit:
    """1,400 entries of which `pricing` has read none for three hours."""
    StreamLimit.objects.all().delete()
    fill(redis, "snapshots:raw", 1400)
    make_group(redis, "snapshots:raw", "pricing")
    now = timezone.now()
    still = GroupSample(
        name="pricing",
        lag=1400,
        pending=0,
        last_delivered_id="0-0",
        still_since=now - timedelta(hours=3),
        moved=True,
    )
    for at in range(60):
        make_sample(
            stream="snapshots:raw", at=now - TICK * (59 - at), mark=60, length=1341 + at, groups=pack_groups([still])
        )
    return make_row("snapshots:raw", 1000, held_by="pricing")


def test_the_chart_stands_at_every_width_and_its_links_go_back_in_time(page, raw: StreamLimit) -> None:
    for width, kind in ((1440, "wide"), (390, "narrow")):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"/streams/limits/{raw.pk}/")
        drawn = page.locator(f".chart svg.{kind} path.line")
        assert page.locator(".chart > svg:visible").count() == 1
        box, frame = drawn.bounding_box(), page.locator(f".chart svg.{kind}").bounding_box()
        assert box["width"] > 20 and box["height"] > 3  # a sixth of the hour, and 60 of 3,000 entries
        assert frame["x"] >= 0 and frame["x"] + frame["width"] <= width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert (
            page.locator(f".chart svg.{kind} path.ceiling").evaluate("it => getComputedStyle(it).strokeWidth") == "2px"
        )
    page.click("#history a:text('7 days')")
    page.wait_for_selector("h2:has-text('Length over the last 7 days')")
    assert page.url.endswith("?history=7d#history")
    assert page.complaints == []


def test_a_row_has_its_sparkline_and_its_gauge_keeps_its_ticks(page, raw: StreamLimit) -> None:
    page.goto("/streams/")
    spark = page.locator(f"#stream-{raw.pk} svg.spark").bounding_box()
    assert (round(spark["width"]), round(spark["height"])) == (96, 20)
    tick, gauge = (page.locator(f"#stream-{raw.pk} .gauge{part}").bounding_box() for part in (" .limit", ""))
    assert tick["width"] < gauge["width"] / 50
    assert page.complaints == []


def test_a_dead_group_is_destroyed_after_its_name_is_typed(page, raw: StreamLimit, redis: redis_library.Redis) -> None:
    page.goto("/streams/")
    page.click(f"#stream-{raw.pk} th a")
    page.wait_for_selector("#groups :text('Group pricing of snapshots:raw was last used 3 h ago')")
    page.click("text=Destroy…")
    page.wait_for_selector("h1:has-text('Destroy group pricing of snapshots:raw')")
    page.fill("#name", "scanner")
    page.click("button.danger")
    page.wait_for_selector('.error:has-text("type the group\'s name, pricing")')
    assert len(redis.xinfo_groups("snapshots:raw")) == 1
    page.fill("#name", "pricing")
    page.click("button.danger")
    page.wait_for_selector(".message:has-text('Group pricing of snapshots:raw is destroyed')")
    assert redis.xinfo_groups("snapshots:raw") == []
    assert [text for text in page.complaints if "422" not in text] == []

"""axe-core on every page that a GET reaches, light and dark, wide and narrow: nothing serious or critical."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import redis as redis_library
from axe_playwright_python.sync_playwright import Axe
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from snapshots import services as snapshots
from snapshots.models import SnapshotPolicy
from streams import services
from streams.models import StreamLimit
from tests.console.addresses import every_address
from tests.snapshots.factories import RECORDS, make_policy, put
from tests.streams.factories import fill, make_row
from timescale.models import AggregatePolicy, HypertablePolicy

pytestmark = pytest.mark.browser

# Not pages: for programs, and fragments that stand inside one. Django's own admin is Django's to mend.
NO_PAGES = ("/api/", "/metrics", "/health", "/ready", "/snapshot/", "/streams/history.", "/admin/", "/static/", "/zone")
BAD = {"serious", "critical"}


@pytest.fixture
def pages(redis: redis_library.Redis, transactional_db: None, django_user_model) -> list[str]:
    """Every address that answers a person, over streams within and over, a snapshot, tables, a change and a form."""
    StreamLimit.objects.all().delete()
    SnapshotPolicy.objects.all().delete()
    HypertablePolicy.objects.all().delete()
    fill(redis, "snapshots:raw", 900)
    fill(redis, "tickers:filtered", 2500)
    fill(redis, "alerts:new", 10)
    redis.xgroup_create("tickers:filtered", "pricing", "0")
    ana = django_user_model.objects.create_superuser("luis", password="x")
    raw, filtered = make_row("snapshots:raw", 1000), make_row("tickers:filtered", 500)
    services.update_limit(raw.pk, {"maxlen": 950}, user_id=ana.pk, now=timezone.now())
    services.discover_streams(now=timezone.now())
    policy = make_policy("axe")
    put(redis, RECORDS)
    snapshots.build_snapshots(now=timezone.now())
    table = HypertablePolicy.objects.create(
        table_name="scan_results",
        time_column="time",
        chunk_time_interval=timedelta(hours=1),
        drop_after=timedelta(days=3),
        retention_schedule_interval=timedelta(hours=1),
    )
    view = AggregatePolicy.objects.first()
    places = {
        "/streams/of/x": ["/streams/of/tickers:filtered", "/streams/of/alerts:new"],
        "/streams/trim/x": ["/streams/trim/tickers:filtered"],
        "/streams/changes/1/revert": [f"/streams/changes/{LogEntry.objects.latest('id').pk}/revert"],
        "/streams/limits/new": ["/streams/limits/new", "/streams/limits/new?stream=alerts:new"],
        "/streams/limits/1/": [f"/streams/limits/{raw.pk}/", f"/streams/limits/{filtered.pk}/"],
        "/streams/limits/1/delete": [f"/streams/limits/{raw.pk}/delete"],
        "/streams/groups/destroy": ["/streams/groups/destroy?stream=tickers:filtered&group=pricing"],
        "/snapshots/policies/1/": [f"/snapshots/policies/{policy.pk}/"],
        "/snapshots/live/x/": ["/snapshots/live/axe/"],
        "/hypertables/tables/1/": [f"/hypertables/tables/{table.pk}/"],
        "/hypertables/aggregates/1/": [f"/hypertables/aggregates/{view.pk}/"] if view else [],
    }
    fragments = {"/streams/limits/1/row", "/streams/limits/1/maxlen", "/logout/"}
    found = [address for address, _ in every_address() if not address.startswith(NO_PAGES) and address not in fragments]
    return [place for address in found for place in places.get(address, [address])]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_nothing_serious_on_any_page(page, pages: list[str], scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    axe, found, seen = Axe(), [], 0
    for place in pages:
        status = page.request.get(place).status
        if status in (404, 405):  # a POST's, or of something that this database has none of
            continue
        assert status == 200, f"{place}: {status}"
        page.goto(place)
        seen += 1
        for violation in axe.run(page).response["violations"]:
            if violation["impact"] in BAD:
                told = [{"at": node["target"], "why": node["failureSummary"][:200]} for node in violation["nodes"][:3]]
                found.append(f"{place}: {violation['id']} {json.dumps(told)}")
    assert seen >= 14
    assert found == [], "\n".join(found)


def test_nothing_serious_in_the_sheet_of_keys_nor_in_an_open_editor(page, pages: list[str]) -> None:
    page.goto("/streams/")
    page.click("a.value >> nth=0")
    page.wait_for_selector("form[data-editing]")
    open_editor = Axe().run(page).response["violations"]
    page.goto("/streams/")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    sheet = Axe().run(page).response["violations"]
    assert [violation["id"] for violation in (*open_editor, *sheet) if violation["impact"] in BAD] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_on_the_login_and_on_a_refusal(chromium, page, settings, scheme: str) -> None:
    page.goto("/streams/")
    context = chromium.new_context(color_scheme=scheme, base_url=page.url.removesuffix("/streams/"))
    stranger = context.new_page()
    stranger.goto("/login/")
    found = Axe().run(stranger).response["violations"]
    stranger.goto("/nothing-is-here")
    found += Axe().run(stranger).response["violations"]
    context.close()
    assert [violation["id"] for violation in found if violation["impact"] in BAD] == []

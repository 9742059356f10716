"""One stream's page: its limit with the loss preview, its groups, its entries; and each with Redis away."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.test import Client

from streams.models import StreamLimit, TrimRun
from tests.streams.factories import fill, make_group
from tradeul_ops.demo.servers import free_port

HTMX = {"HX-Request": "true"}
BOXES = {"approximate": "on", "enabled": "on"}


@pytest.fixture
def ana(client: Client, db: None) -> Client:
    """Logged in, with every permission."""
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


@pytest.fixture
def raw(db: None, redis: redis_library.Redis) -> StreamLimit:
    """900 entries that `pricing` has not read, under a limit without protection that leaves them."""
    fill(redis, "snapshots:raw", 900)
    make_group(redis, "snapshots:raw", "pricing")
    StreamLimit.objects.filter(pattern="snapshots:raw").update(protect_groups=False)
    return StreamLimit.objects.get(pattern="snapshots:raw")


@pytest.fixture
def redis_away(raw: StreamLimit, settings: Any) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"


def whole(**changes: Any) -> dict[str, Any]:
    """The full form."""
    page = {"pattern": "snapshots:raw", "priority": 0, "maxlen": 1000, "trim_threshold": 1200, "trim_interval": "30"}
    return {**page, "hard_maxlen": 3000, "note": "", **BOXES, **changes}


def shown_number(text: str) -> str:
    found = re.search(r'name="accepted_loss" value="(\d+)"', text)
    assert found, text
    return found[1]


@pytest.mark.parametrize("form", [{"maxlen": 100}, whole(maxlen=100)])
def test_the_preview_names_the_loss_and_asks(ana: Client, raw: StreamLimit, form: dict[str, Any]) -> None:
    answer = ana.post(f"/streams/limits/{raw.pk}/preview", form, headers=HTMX)
    text = answer.content.decode()
    assert answer.status_code == 200 and "<html" not in text
    assert "Group pricing loses 800 unread entries." in text
    assert shown_number(text) == "900" and "checked" not in text
    again = ana.post(f"/streams/limits/{raw.pk}/preview", {**form, "accepted_loss": 900}, headers=HTMX)
    assert "checked" in again.content.decode()
    raw.refresh_from_db()
    assert raw.maxlen == 1000


def test_the_preview_of_what_is_wrong_says_what(ana: Client, raw: StreamLimit) -> None:
    answer = ana.post(f"/streams/limits/{raw.pk}/preview", {"maxlen": 0}, headers=HTMX)
    assert b"No preview: maxlen must be a whole number from 1" in answer.content
    answer = ana.post(f"/streams/limits/{raw.pk}/preview", whole(pattern=""), headers=HTMX)
    assert b"No preview: pattern is missing." in answer.content


def test_without_script_the_preview_is_the_page_with_what_was_typed(ana: Client, raw: StreamLimit) -> None:
    answer = ana.post(f"/streams/limits/{raw.pk}/preview", whole(maxlen=100, pattern="snapshots:raw"))
    text = answer.content.decode()
    assert answer.status_code == 200 and "<html" in text
    assert "Group pricing loses 800 unread entries." in text and 'value="100"' in text
    assert ana.post(f"/streams/limits/{raw.pk}/preview", whole(maxlen=0)).status_code == 422


@pytest.mark.parametrize(("door", "headers"), [("maxlen", HTMX), ("", {})])
def test_a_loss_is_refused_with_its_preview_and_saved_with_the_number(
    ana: Client, raw: StreamLimit, redis: redis_library.Redis, door: str, headers: dict[str, str]
) -> None:
    url, form = f"/streams/limits/{raw.pk}/{door}", {"maxlen": 100} if door else whole(maxlen=100)
    refused = ana.post(url, form, headers=headers)
    text = refused.content.decode()
    assert refused.status_code == 422
    assert "Not saved" in text and 'role="alert"' in text and "Group pricing loses 800 unread entries." in text
    fill(redis, "snapshots:raw", range(901, 1102))
    grown = ana.post(url, {**form, "accepted_loss": shown_number(text)}, headers=headers)
    assert grown.status_code == 422 and "loses 1,001 unread entries" in grown.content.decode()
    saved = ana.post(url, {**form, "accepted_loss": shown_number(grown.content.decode())}, headers=headers)
    assert saved.status_code in (200, 302)
    raw.refresh_from_db()
    assert raw.maxlen == 100


@pytest.mark.parametrize("number", ["", "-1", "many", "9" * 5000, "1.5"])
def test_a_number_that_is_none_agrees_to_nothing(ana: Client, raw: StreamLimit, number: str) -> None:
    answer = ana.post(f"/streams/limits/{raw.pk}/maxlen", {"maxlen": 100, "accepted_loss": number}, headers=HTMX)
    assert answer.status_code == 422


def test_a_stream_without_groups_is_saved_in_one_step(
    ana: Client, raw: StreamLimit, redis: redis_library.Redis
) -> None:
    redis.xgroup_destroy("snapshots:raw", "pricing")
    assert ana.post(f"/streams/limits/{raw.pk}/", whole(maxlen=100)).status_code == 302


def test_who_may_only_look_gets_no_preview_and_sees_the_stream(client: Client, raw: StreamLimit) -> None:
    client.force_login(get_user_model().objects.create_user("reader"))
    assert client.post(f"/streams/limits/{raw.pk}/preview", {"maxlen": 5}, headers=HTMX).status_code == 403
    text = client.get(f"/streams/limits/{raw.pk}/?group=pricing").content.decode()
    assert "900-0" in text and "Nobody has ever read in this group" in text and "/preview" not in text
    assert client.get(f"/streams/limits/{raw.pk}/preview").status_code == 405


# --- groups and entries ----------------------------------------------------------------------------------------------


def test_groups_lead_to_consumers_and_those_to_pending(
    ana: Client, raw: StreamLimit, redis: redis_library.Redis
) -> None:
    make_group(redis, "snapshots:raw", "scanner", read=7)
    make_group(redis, "snapshots:raw", "middle", start="450-0")
    page = f"/streams/limits/{raw.pk}/"
    closed = ana.get(page).content.decode()
    assert "Consumers of" not in closed and "?group=scanner#groups" in closed
    assert "unknown" in closed  # the lag of `middle`
    opened = ana.get(page + "?group=scanner").content.decode()
    assert "Consumers of" in opened and "?group=scanner&amp;consumer=consumer#groups" in opened
    assert "7-0" in ana.get(page + "?group=scanner&consumer=consumer").content.decode()
    gone = ana.get(page + "?group=gone")
    assert gone.status_code == 200 and b"NOGROUP" in gone.content


def test_entries_are_paged_and_what_they_hold_is_escaped(
    ana: Client, raw: StreamLimit, redis: redis_library.Redis
) -> None:
    redis.xadd("snapshots:raw", {"<b>": "<script>alert(1)</script>", "data": '{"bid": 1.5}', "packed": b"\xff\x00"})
    page = f"/streams/limits/{raw.pk}/"
    text = ana.get(page).content.decode()
    assert "&lt;script&gt;" in text and "<script>alert" not in text
    assert "  &quot;bid&quot;: 1.5" in text and "binary, 2 B" in text
    older = ana.get(page + "?before=852-0").content.decode()
    assert "<code>851-0</code>" in older and "<code>852-0</code>" not in older and "?after=851-0#entries" in older
    oldest = ana.get(page + "?after=0-0").content.decode()
    assert "<code>1-0</code>" in oldest and "<code>51-0</code>" not in oldest


@pytest.mark.parametrize(
    "query", ["before=x", "after=1-2-3", f"before={'9' * 5000}", f"after={'9' * 30}", "before=0-0"]
)
def test_an_id_that_is_none_is_told(ana: Client, raw: StreamLimit, query: str) -> None:
    answer = ana.get(f"/streams/limits/{raw.pk}/?{query}")
    assert answer.status_code == 200
    assert 'id="entries"' in answer.content.decode()


def test_a_key_that_is_no_stream_still_has_its_page(ana: Client, raw: StreamLimit, redis: redis_library.Redis) -> None:
    redis.set("test:string", "x")
    StreamLimit.objects.filter(pk=raw.pk).update(pattern="test:string")
    answer = ana.get(f"/streams/limits/{raw.pk}/?group=g")
    assert answer.status_code == 200 and "is no stream" in answer.content.decode()


@pytest.mark.parametrize("query", ["", "?group=pricing&consumer=c", "?before=5-0"])
def test_without_redis_the_page_still_has_its_form(ana: Client, raw: StreamLimit, redis_away: None, query: str) -> None:
    answer = ana.get(f"/streams/limits/{raw.pk}/{query}")
    assert answer.status_code == 200
    assert "Redis does not answer" in answer.content.decode() and b">Save<" in answer.content


def test_without_redis_the_loss_is_unknown_and_saved_only_by_who_says_so(
    ana: Client, raw: StreamLimit, redis_away: None
) -> None:
    url = f"/streams/limits/{raw.pk}/"
    text = ana.post(url + "preview", {"maxlen": 100}, headers=HTMX).content.decode()
    assert "What this loses is unknown: Redis does not answer" in text and "Save it without knowing" in text
    refused = ana.post(url, whole(maxlen=100))
    assert refused.status_code == 422 and b"Save it without knowing" in refused.content
    assert ana.post(url, whole(maxlen=100, accepted_loss=shown_number(text))).status_code == 302
    raw.refresh_from_db()
    assert raw.maxlen == 100


def test_what_producers_cut_is_told_apart_from_trims(ana: Client, raw: StreamLimit) -> None:
    at = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
    one = {"stream": "snapshots:raw", "outcome": "done", "length_before": 1234, "length_after": 900}
    TrimRun.objects.create(started_at=at, finished_at=at, by_others=True, trimmed=77, **one)
    page = ana.get(f"/streams/limits/{raw.pk}/").content.decode()
    assert "cut by others" in page and "1,234" not in page, "what it was before was not read"


def test_a_refused_save_says_so_at_the_top(ana: Client, raw: StreamLimit) -> None:
    for form in (whole(maxlen=100), whole(trim_threshold=1)):
        text = ana.post(f"/streams/limits/{raw.pk}/", form).content.decode()
        assert text.index("Not saved. The form below says why.") < text.index('id="history"')
    assert "Not saved" not in ana.get(f"/streams/limits/{raw.pk}/").content.decode()


def test_what_is_no_stream_is_not_offered_to_be_trimmed(ana: Client, redis: redis_library.Redis) -> None:
    row = StreamLimit.objects.get(pattern="events:session")
    redis.set("events:session", "x", px=60_000)
    assert "/streams/trim/" not in ana.get(f"/streams/limits/{row.pk}/").content.decode()
    redis.delete("events:session")
    redis.xadd("events:session", {"a": 1})
    assert "/streams/trim/events:session" in ana.get(f"/streams/limits/{row.pk}/").content.decode()

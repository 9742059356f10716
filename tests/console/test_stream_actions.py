"""Pages that act on streams: adopt one, trim one, delete a limit, take a change back; and the list by its address."""

from __future__ import annotations

from typing import Any

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from streams import services
from streams.models import Stream, StreamLimit
from tests.console.test_pages import HTMX, ana, raw  # noqa: F401
from tests.streams.factories import fill, make_group, make_row

Redis = redis_library.Redis
NEW = {"pattern": "orders", "priority": 0, "maxlen": 100, "trim_threshold": 120, "trim_interval": "30"}
NEW |= {"hard_maxlen": 300, "protect_groups": "on", "approximate": "on", "enabled": "on"}


@pytest.fixture(autouse=True)
def no_limits(db: None) -> None:
    StreamLimit.objects.all().delete()


def found(redis: Redis, name: str = "orders", entries: int = 500) -> None:
    fill(redis, name, entries)
    services.remember([name])
    Stream.objects.update(seen_at=timezone.now())


def test_a_stream_without_a_limit_is_listed_and_adopted(
    ana: Client,  # noqa: F811
    redis: Redis,
    django_capture_on_commit_callbacks: Any,
) -> None:
    found(redis)
    assert "Streams without a limit" in ana.get("/streams/").content.decode()
    assert "No limit is for this stream" in ana.get("/streams/of/orders").content.decode()
    form = ana.get("/streams/limits/new?stream=orders").context["form"]
    assert (form.initial["pattern"], form.initial["maxlen"]) == ("orders", 1000)
    said = ana.post("/streams/limits/new", {**NEW, "preview": "1"}, headers=HTMX).content.decode()
    assert "Keeps 100 of 500 entries" in said and not StreamLimit.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        answer = ana.post("/streams/limits/new", NEW)
    row = StreamLimit.objects.get()
    assert answer.headers["Location"] == f"/streams/limits/{row.pk}/"
    assert redis.xlen("orders") <= 199
    assert ana.get("/streams/of/orders").headers["Location"] == f"/streams/limits/{row.pk}/"


def test_adding_asks_before_groups_lose(ana: Client, redis: Redis) -> None:  # noqa: F811
    found(redis)
    make_group(redis, "orders", "pricing")
    refused = ana.post("/streams/limits/new", NEW)
    assert refused.status_code == 422 and not StreamLimit.objects.exists()
    assert "pricing loses 200 unread" in refused.content.decode()
    ana.post("/streams/limits/new", {**NEW, "accepted_loss": refused.context["preview"].consent})
    assert StreamLimit.objects.get().pattern == "orders"


def test_a_pattern_is_previewed_with_what_it_matches(ana: Client, redis: Redis) -> None:  # noqa: F811
    found(redis, "stream:a")
    found(redis, "stream:b")
    glob = {**NEW, "pattern": "stream:*"}
    said = ana.post("/streams/limits/new", {**glob, "preview": "1"}, headers=HTMX).content.decode()
    assert "Matches 2 streams with 1,000 entries" in said
    ana.post("/streams/limits/new", glob)
    page = ana.get(f"/streams/limits/{StreamLimit.objects.get().pk}/").content.decode()
    assert "stream:a" in page and "this one" in page
    assert "Give it a limit of its own" in ana.get("/streams/of/stream:a").content.decode()


def test_a_pattern_that_says_nothing_is_told_under_its_field(ana: Client, redis: Redis) -> None:  # noqa: F811
    answer = ana.post("/streams/limits/new", {**NEW, "pattern": "stream:["})
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["pattern"]


def test_a_trim_by_hand_is_previewed_done_and_audited(ana: Client, redis: Redis) -> None:  # noqa: F811
    make_row("orders", 100)
    found(redis)
    assert "Keeps 100 of 500 entries" in ana.get("/streams/trim/orders").content.decode()
    assert redis.xlen("orders") == 500, "a look changes nothing"
    answer = ana.post("/streams/trim/orders", follow=True)
    assert "Trimmed 4" in answer.content.decode()
    assert redis.xlen("orders") <= 199


def test_a_trim_by_hand_asks_for_what_groups_lose(ana: Client, redis: Redis) -> None:  # noqa: F811
    make_row("orders", 100, protect_groups=False)
    found(redis)
    make_group(redis, "orders", "pricing")
    refused = ana.post("/streams/trim/orders")
    assert refused.status_code == 422 and redis.xlen("orders") == 500
    ana.post("/streams/trim/orders", {"accepted_loss": refused.context["preview"].consent})
    assert redis.xlen("orders") <= 199


def test_a_limit_is_deleted_after_a_look_and_its_streams_fall_to_the_next(ana: Client, redis: Redis) -> None:  # noqa: F811
    own = make_row("orders", 100)
    found(redis, entries=50)
    assert "bounded by nothing" in ana.get(f"/streams/limits/{own.pk}/delete").content.decode()
    make_row("o*", 1000)
    assert "bounded by nothing" not in ana.get(f"/streams/limits/{own.pk}/delete").content.decode()
    ana.post(f"/streams/limits/{own.pk}/delete")
    assert list(StreamLimit.objects.values_list("pattern", flat=True)) == ["o*"]


def test_a_change_is_taken_back_from_the_page(ana: Client, redis: Redis) -> None:  # noqa: F811
    row = make_row("orders", 1000)
    ana.post(f"/streams/limits/{row.pk}/maxlen", {"maxlen": 900}, headers=HTMX)
    [change] = ana.get(f"/streams/limits/{row.pk}/").context["changes"]
    answer = ana.post(f"/streams/changes/{change.id}/revert", follow=True)
    assert "maxlen as before" in answer.content.decode()
    row.refresh_from_db()
    assert row.maxlen == 1000
    assert "changed again since" in ana.post(f"/streams/changes/{change.id}/revert", follow=True).content.decode()


@pytest.mark.parametrize("path", ["/streams/limits/new", "/streams/trim/orders", "/streams/limits/{}/delete"])
def test_who_may_only_look_may_not_act(redis: Redis, path: str) -> None:
    row = make_row("orders")
    client = Client()
    client.force_login(get_user_model().objects.create_user("eva", password="x"))
    for answer in (client.get(path.format(row.pk)), client.post(path.format(row.pk), NEW)):
        assert answer.status_code == 403
    assert StreamLimit.objects.count() == 1


def test_the_list_is_filtered_sorted_and_paged_by_its_address(ana: Client, redis: Redis) -> None:  # noqa: F811
    for number in range(120):
        make_row(f"stream:{number:03}", 10)
    fill(redis, "stream:007", 9)
    names = lambda query: [row.stream for row in ana.get(f"/streams/?{query}").context["listing"].rows]  # noqa: E731
    assert len(names("")) == 50
    assert names("page=2")[0] == "stream:050"
    assert names("q=07&sort=length")[0] == "stream:007"
    assert names("sort=usage")[0] == "stream:007"
    assert names("state=over") == []
    assert len(names("sort=nonsense&state=what&page=900")) == 20

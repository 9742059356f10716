"""Streams that no limit is for: how they stand, the limit that would suit each, and giving it in one click."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from streams import services
from streams.metrics import unmanaged_streams
from streams.models import StreamLimit
from tests.streams.factories import make_group

Redis = redis_library.Redis


@pytest.fixture
def trades(redis: Redis, db: None) -> None:
    """6,000 entries of the last ten minutes: ten a second."""
    StreamLimit.objects.all().delete()
    pipe = redis.pipeline(transaction=False)
    now_ms = int(timezone.now().timestamp() * 1000)
    for number in range(6000):
        pipe.xadd("trades", {"data": "x"}, id=f"{now_ms - 600_000 + number * 100}-0")
    pipe.execute()
    services.discover_streams(now=timezone.now())


@pytest.fixture
def ana(client: Client, trades: None) -> Client:
    """Logged in, with every permission."""
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


def button(page: str) -> str:
    found = re.search(r'<button name="maxlen" value="(\d+)">', page)
    assert found, page
    return found[1]


def test_the_list_suggests_a_limit_for_each_and_gives_it_in_one_click(ana: Client, redis: Redis) -> None:
    page = ana.get("/streams/").content.decode()
    assert re.search(r"10 min at \d+\.\d entries a second are", page)
    maxlen = button(page)
    answer = ana.post("/streams/adopt", {"stream": "trades", "maxlen": maxlen}, follow=True)
    row = StreamLimit.objects.get()
    assert (row.pattern, row.maxlen, row.protect_groups) == ("trades", int(maxlen), True)
    assert row.hard_maxlen == 3 * int(maxlen) and row.trim_threshold == int(maxlen) + int(maxlen) // 5
    assert "trades: added." in answer.content.decode() and "Give it this limit" not in answer.content.decode()
    assert LogEntry.objects.get().user.get_username() == "ana"


def test_what_a_group_would_lose_is_asked_about_in_the_form(ana: Client, redis: Redis) -> None:
    make_group(redis, "trades", "pricing")
    refused = ana.post("/streams/adopt", {"stream": "trades", "maxlen": 1000})
    text = refused.content.decode()
    assert refused.status_code == 422 and not StreamLimit.objects.exists()
    assert "Group pricing loses 3,000 unread entries." in text and 'name="accepted_loss"' in text
    assert 'value="1000"' in text  # the form is filled in: agreeing and Add is all that is left


@pytest.mark.parametrize(
    "wrong", [{}, {"stream": "trades"}, {"stream": "trades", "maxlen": "-1"}, {"maxlen": "9" * 30}]
)
def test_half_a_click_is_refused(ana: Client, wrong: dict[str, str]) -> None:
    assert ana.post("/streams/adopt", wrong).status_code == 400


def test_who_may_not_add_sees_no_button_and_is_refused(client: Client, trades: None) -> None:
    client.force_login(get_user_model().objects.create_user("eva"))
    assert "Give it this limit" not in client.get("/streams/").content.decode()
    assert client.post("/streams/adopt", {"stream": "trades", "maxlen": 1000}).status_code == 403


def test_its_page_shows_its_groups_and_what_would_suit_it(ana: Client, redis: Redis) -> None:
    make_group(redis, "trades", "pricing", read=30)
    page = ana.get("/streams/of/trades?group=pricing").content.decode()
    assert "No limit is for this stream" in page and "would suit it" in page
    assert "5,970" in page and "Consumers of" in page
    assert "There is no such stream." in ana.get("/streams/of/typo").content.decode()


def test_a_stream_that_is_gone_or_none_at_all_has_no_suggestion(redis: Redis, trades: None) -> None:
    redis.set("test:string", "x")
    gone, string = unmanaged_streams(["gone", "test:string"], now=timezone.now())
    assert (gone.exists, gone.suggestion) == (False, None)
    assert (string.exists, string.length, string.suggestion) == (None, None, None) and "no stream" in string.why


def test_entries_are_found_by_id_and_by_time(ana: Client, redis: Redis) -> None:
    """“At or before”: an id itself, and for a time the whole of its second."""
    middle = timezone.now() - timedelta(minutes=5)
    text = ana.get("/streams/of/trades", {"at": f"{middle:%Y-%m-%d %H:%M:%S}"}).content.decode()
    first = re.search(r"<summary><code>(\d+)-0</code>", text)
    assert first and int(middle.timestamp()) * 1000 + 900 <= int(first[1]) < int(middle.timestamp() + 1) * 1000
    text = ana.get("/streams/of/trades", {"at": f"{first[1]}-0"}).content.decode()
    assert f"<summary><code>{first[1]}-0</code>" in text
    assert re.search(r"after=\d+-0#entries", text)  # from here on to the newer ones


def test_what_is_neither_id_nor_time_is_said_with_examples(ana: Client) -> None:
    for said in ("yesterday", "25:00", "1-2-3", "2026-13-01 10:00"):
        text = ana.get("/streams/of/trades", {"at": said}).content.decode()
        assert "is neither an entry id nor a time. Examples:" in text
        assert f'value="{said}"' in text

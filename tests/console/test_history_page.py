"""A stream's history on its page and as files, and a group destroyed by who has the right and types its name."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core import signing
from django.test import Client
from django.utils import timezone

from streams.engine.samples import TICK, GroupSample, pack_groups
from streams.models import StreamLimit
from streams.views import groups as page
from tests.streams.factories import fill, make_group, make_row, make_sample
from tradeul_ops.demo.servers import free_port

DESTROY = "/streams/groups/destroy?stream=orders&group=pricing"


@pytest.fixture
def ana(client: Client, db: None) -> Client:
    """Logged in, with every permission."""
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


@pytest.fixture
def orders(db: None, redis: redis_library.Redis) -> StreamLimit:
    """1,300 entries of which `pricing` read none; five minutes of samples in which it never moved."""
    StreamLimit.objects.all().delete()
    fill(redis, "orders", 1300)
    make_group(redis, "orders", "pricing")
    now = timezone.now()
    for at in range(30):
        still = GroupSample(
            name="pricing",
            lag=1271 + at,
            pending=0,
            last_delivered_id="0-0",
            still_since=now - timedelta(hours=3),
            moved=True,
        )
        make_sample(
            at=now - TICK * (29 - at),
            mark=60,
            length=1271 + at,
            bytes=None,
            entries_added=5000 + at,
            groups=pack_groups([still]),
        )
    return make_row("orders", 1000, trim_threshold=1100, held_by="pricing")


# --- history ---------------------------------------------------------------------------------------------------------


def test_the_page_draws_the_hour_and_links_the_others(ana: Client, orders: StreamLimit) -> None:
    text = ana.get(f"/streams/limits/{orders.pk}/").content.decode()
    assert "Length over the last hour" in text and 'aria-label="Length of orders: from 1,271 to 1,300"' in text
    assert re.findall(r"\?history=(\w+)#history", text) == ["6h", "1d", "7d"]
    assert "↑ rising 360/h" in text and "full in" in text and "ceiling 3,000" in text
    assert "Group pricing of orders was last used 3 h ago: 1,300 entries" in text
    assert "style=" not in text and "<script>" not in text
    assert "Length over the last 7 days" in ana.get(f"/streams/limits/{orders.pk}/?history=7d").content.decode()


def test_without_samples_it_says_so(ana: Client, redis: redis_library.Redis) -> None:
    row = make_row("nothing")
    text = ana.get(f"/streams/limits/{row.pk}/").content.decode()
    assert "no samples in this time" in text and "unknown" in text


def test_each_row_has_a_sparkline_a_direction_and_who_reads_no_more(ana: Client, orders: StreamLimit) -> None:
    text = ana.get("/streams/").content.decode()
    assert '<svg class="spark"' in text and "1,271 to 1,300 in the last hour" in text
    assert "↑ rising 360/h" in text and "full in" in text
    assert "nobody reads in <code>pricing</code>, last used 3 h ago" in text
    assert "Group pricing of orders was last used 3 h ago" in ana.get("/").content.decode()  # a finding


def test_the_same_as_json(ana: Client, orders: StreamLimit) -> None:
    said = ana.get("/streams/history.json?stream=orders&history=1h").json()
    assert (said["stream"], said["history"], len(said["samples"])) == ("orders", "1h", 30)
    last = said["samples"][-1]
    assert (last["length"], last["bytes"], last["entries_added"]) == (1300, None, 5029)
    assert last["groups"] == {"pricing": {"lag": 1300, "pending": 0, "last_delivered_id": "0-0"}}


def test_and_as_csv(ana: Client, orders: StreamLimit) -> None:
    answer = ana.get("/streams/history.csv?stream=orders")
    lines = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert answer["Content-Type"].startswith("text/csv") and len(lines) == 30
    assert (lines[-1]["length"], lines[-1]["bytes"], lines[-1]["lag of pricing"]) == ("1300", "", "1300")


def test_files_need_a_login_and_a_stream(client: Client, orders: StreamLimit, ana: Client) -> None:
    assert ana.get("/streams/history.json").status_code == ana.get("/streams/history.csv").status_code == 400
    assert ana.get("/streams/history.json?stream=never").json()["samples"] == []
    assert Client().get("/streams/history.csv?stream=orders").status_code == 302


# --- destroying a group ----------------------------------------------------------------------------------------------


def shown(text: str) -> str:
    found = re.search(r'name="shown" value="([^"]+)"', text)
    assert found, text
    return found[1]


def test_a_group_is_destroyed_by_who_types_its_name(
    ana: Client, orders: StreamLimit, redis: redis_library.Redis
) -> None:
    assert f'href="{DESTROY.replace("&", "&amp;")}"' in ana.get(f"/streams/limits/{orders.pk}/").content.decode()
    text = ana.get(DESTROY).content.decode()
    assert "Group pricing of orders was last used 3 h ago" in text and "1,300" in text
    wrong = ana.post(DESTROY, {"shown": shown(text), "name": "scanner"})
    assert wrong.status_code == 422 and "type the group&#x27;s name, pricing" in wrong.content.decode()
    assert len(redis.xinfo_groups("orders")) == 1
    done = ana.post(DESTROY, {"shown": shown(text), "name": " pricing "}, follow=True)
    assert "Group pricing of orders is destroyed" in done.content.decode()
    assert redis.xinfo_groups("orders") == []
    assert "1,300 unread, 0 pending → destroyed" in LogEntry.objects.latest("id").get_change_message()
    again = ana.get(DESTROY)
    assert again.status_code == 200 and "orders has no group pricing." in again.content.decode()


def test_it_is_refused_where_the_group_came_alive_and_shown_as_it_is_now(
    ana: Client, orders: StreamLimit, redis: redis_library.Redis
) -> None:
    before = ana.get(DESTROY).content.decode()
    redis.xreadgroup("pricing", "consumer", {"orders": ">"}, count=7)
    refused = ana.post(DESTROY, {"shown": shown(before), "name": "pricing"})
    text = refused.content.decode()
    assert refused.status_code == 422 and "somebody used pricing since this was shown" in text
    assert "This group is not abandoned" in text and "1,293" in text
    assert len(redis.xinfo_groups("orders")) == 1 and not LogEntry.objects.exists()


@pytest.mark.parametrize("made", ["", "forged", "old", "of another group"])
def test_what_was_not_shown_just_now_destroys_nothing(
    ana: Client, orders: StreamLimit, redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    token = shown(ana.get(DESTROY).content.decode())
    said = signing.loads(token, salt=page.SALT)
    if made == "old":
        monkeypatch.setattr(page, "SHOWN_FOR", -1)
    token = {
        "": "",
        "forged": signing.dumps(said, salt="another"),
        "old": token,
        "of another group": signing.dumps({**said, "group": "scanner"}, salt=page.SALT),
    }[made]
    answer = ana.post(DESTROY, {"shown": token, "name": "pricing"})
    assert answer.status_code == 422 and "Not destroyed:" in answer.content.decode()
    assert len(redis.xinfo_groups("orders")) == 1


def test_it_takes_its_own_permission(client: Client, orders: StreamLimit, redis: redis_library.Redis) -> None:
    assert Client().post(DESTROY).status_code == 302  # to the login
    reader = get_user_model().objects.create_user("reader")
    client.force_login(reader)
    assert client.get(DESTROY).status_code == client.post(DESTROY).status_code == 403
    assert "Destroy…" not in client.get(f"/streams/limits/{orders.pk}/").content.decode()
    reader.user_permissions.add(Permission.objects.get(codename="destroy_group"))
    client.force_login(get_user_model().objects.get(pk=reader.pk))
    assert client.get(DESTROY).status_code == 200


@pytest.mark.parametrize("query", ["", "?stream=orders", "?stream=never&group=pricing"])
def test_what_is_not_there_is_told(ana: Client, orders: StreamLimit, query: str) -> None:
    answer = ana.get(f"/streams/groups/destroy{query}")
    assert answer.status_code == (200 if query else 404)


def test_without_redis_it_says_so(ana: Client, orders: StreamLimit, settings: Any) -> None:
    token = shown(ana.get(DESTROY).content.decode())
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"
    assert "Redis does not answer" in ana.get(DESTROY).content.decode()
    answer = ana.post(DESTROY, {"shown": token, "name": "pricing"})
    assert answer.status_code == 422 and not LogEntry.objects.exists()

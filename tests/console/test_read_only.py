"""TRADEUL_READ_ONLY: every address refuses every change, the pages offer none, and the tasks go on."""

from __future__ import annotations

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from streams.models import StreamLimit
from streams.services import enforce_limits
from tests.console.addresses import every_address
from tests.streams.factories import fill

DOORS = {"/login/", "/logout/", "/admin/login/", "/admin/logout/"}


@pytest.fixture
def ana(client: Client, db: None, settings) -> Client:
    settings.READ_ONLY = True
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_every_address_refuses_every_change(ana: Client, method: str) -> None:
    addresses = [address for address, _ in every_address()]
    assert len(addresses) > 60 and set(addresses) >= DOORS
    answers = {address: getattr(ana, method)(address).status_code for address in addresses if address not in DOORS}
    assert {address for address, status in answers.items() if status != 403} == set()


def test_most_of_them_refuse_nothing_of_the_kind_otherwise(ana: Client, settings) -> None:
    """What still answers 403 does so for a reason of its own: admin has no page to add a run, for one."""
    settings.READ_ONLY = False
    answers = [ana.post(address).status_code for address, _ in every_address() if address not in DOORS]
    assert sum(status != 403 for status in answers) > 40


def test_the_refusal_says_why_and_that_nothing_changed(ana: Client) -> None:
    limit = StreamLimit.objects.get(pattern="snapshots:raw")
    for headers in ({}, {"HX-Request": "true"}):
        said = ana.post(f"/streams/limits/{limit.pk}/maxlen", {"maxlen": "5"}, headers=headers).content.decode()
        assert "read-only" in said and "TRADEUL_READ_ONLY" in said and "Nothing was changed".lower() in said.lower()
    limit.refresh_from_db()
    assert limit.maxlen == 1000


def test_pages_say_so_and_offer_no_change(ana: Client, redis: redis_library.Redis) -> None:
    redis.xadd("snapshots:raw", {"data": "x"})
    limit = StreamLimit.objects.get(pattern="snapshots:raw")
    for address in ("/", "/streams/", f"/streams/limits/{limit.pk}/", "/snapshots/", "/hypertables/"):
        said = ana.get(address)
        assert said.status_code == 200
        text = said.content.decode()
        assert 'class="banner"' in text
        assert ">Save<" not in text and "/maxlen" not in text and "streams/trim/" not in text, address
    listed = ana.get("/admin/streams/streamlimit/").content.decode()
    assert "/admin/streams/streamlimit/add/" not in listed
    assert "enforce_now" not in listed and "switch_o" not in listed and "export" in listed


def test_one_can_still_come_and_go(ana: Client) -> None:
    assert ana.post("/logout/").status_code == 302
    get_user_model().objects.create_user("luis", password="a password")
    assert ana.post("/login/", {"username": "luis", "password": "a password"}).status_code == 302


def test_the_tasks_go_on(ana: Client, redis: redis_library.Redis) -> None:
    fill(redis, "snapshots:raw", 5000)
    enforce_limits(timezone.now())
    assert redis.xlen("snapshots:raw") < 1300


def test_without_it_there_is_no_banner(ana: Client, redis: redis_library.Redis, settings) -> None:
    settings.READ_ONLY = False
    assert 'class="banner"' not in ana.get("/streams/").content.decode()

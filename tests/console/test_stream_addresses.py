"""Every key that a row can hold has a page, whatever browsers make of its name in an address."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote, urljoin

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from streams import services
from streams.models import StreamLimit
from tests.streams.factories import make_row

UP = ["..", ".", "...", "../orders", "a/../b", "/", "//", "a//b", "limits/new"]
SIGNS = ["?a=1", "a?b", "a#b", "#", "100%", "%2e%2e", "%41", "a+b", "a&b", "<b>", 'say "it"', "{tag}:x", "\\"]
KEYS = [*UP, *SIGNS, " ", "a b ", "line\nbreak", "ünï", "stream:ranking"]


@pytest.fixture
def ana(client: Client, db: None, redis: redis_library.Redis) -> Client:
    """Logged in, with every permission, and a stream under each of the keys."""
    StreamLimit.objects.all().delete()
    for key in KEYS:
        redis.xadd(key, {"data": "x"})
    services.discover_streams(now=timezone.now())
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


def as_browser(base: str, href: str) -> str:
    """Where a browser goes: dot segments go up, also where their dots are encoded; what follows # is kept back."""
    resolved = urljoin(f"http://console{base}", re.sub("%2e", ".", html.unescape(href), flags=re.IGNORECASE))
    return resolved.removeprefix("http://console").partition("#")[0]


def test_the_list_leads_to_the_page_of_each(ana: Client) -> None:
    make_row("*")  # of those without one the list shows the largest few
    page = ana.get("/streams/").content.decode()
    links = re.findall(r'<th scope="row">.*?<a href="([^"]+)"><code>((?:.|\n)*?)</code></a>', page)
    found = {html.unescape(name): as_browser("/streams/", href) for href, name in links}
    del found["*"]  # the limit's own page
    assert found.keys() == set(KEYS)
    for name, address in found.items():
        answer = ana.get(address)
        assert answer.status_code == 200, address
        assert answer.context["stream"] == name


@pytest.mark.parametrize("key", KEYS)
def test_each_can_be_given_a_limit_and_be_trimmed(ana: Client, key: str) -> None:
    page = ana.get(as_browser("/", reverse("streams:stream", args=[key]))).content.decode()
    href = re.search(r'href="(/streams/limits/new[^"]*)"', page)
    assert href
    form = ana.get(as_browser("/streams/", href[1])).context["form"]
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    answer = ana.post("/streams/limits/new", {name: value for name, value in values.items() if value is not None})
    assert answer.status_code == 302, answer.context["form"].errors
    assert StreamLimit.objects.get().rule.stream == key
    assert ana.get(reverse("streams:stream", args=[key]), follow=True).context["stream"] == key
    answer = ana.post(as_browser("/", reverse("streams:trim", args=[key])), follow=True)
    assert answer.status_code == 200 and "Nothing to trim" in answer.content.decode()


def test_a_name_typed_by_hand_needs_no_encoding(ana: Client) -> None:
    assert ana.get("/streams/of/stream:ranking").status_code == 200
    assert unquote(reverse("streams:stream", args=["stream:ranking"])) == "/streams/of/stream:ranking"


@pytest.mark.parametrize("address", ["/streams/of/%2500", "/streams/of/%25FF", "/streams/of/" + "x" * 600])
def test_what_no_row_can_hold_has_no_page(ana: Client, address: str) -> None:
    assert ana.get(address).status_code == 404

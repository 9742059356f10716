"""Every form and every query parameter, with what a careless or hostile hand sends: never a 500."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_from_bytes, urlencode, urlsplit

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from snapshots import services as snapshots
from streams.services import discover_streams
from tests.fuzz import forms
from tests.fuzz.conftest import examples
from tests.fuzz.values import texts
from tests.snapshots.factories import RECORDS, make_policy, put
from tests.streams.factories import fill, make_group

PAGES_MOST = 150
LEAVES = ("/logout/", "/admin/logout/", "/static/")  # what ends the session ends the fuzzing; files are no pages
PARAMETER = re.compile(r"""\b(?:GET|POST|asked|query)\.get(?:list)?\(\s*["'](\w+)["']""")
STRANGE = ["a b", "..", "a/b?c#d%41", "<b>&\"'", "\u202e\u0301", "x" * 300]


@pytest.fixture(scope="module")
def parameters(repository: Path) -> list[str]:
    """Every name that a view asks a request for, and admin's own."""
    sources = [
        path
        for app in ("streams", "snapshots", "timescale", "tradeul_ops")
        for path in (repository / app).rglob("*.py")
    ]
    found = {name for path in sources for name in PARAMETER.findall(path.read_text())}
    assert {"group", "before", "stream", "history", "sort", "list", "shape", "epoch", "disk_gb", "of", "by"} <= found
    return sorted(
        found | {"page", "next", "q", "p", "o", "all", "_popup", "_to_field", "enabled__exact", "id__in", "e"}
    )


@pytest.fixture
def ana(client: Client, db: None, redis: redis_library.Redis) -> Client:
    """May everything, on servers that have something of each kind."""
    client.force_login(get_user_model().objects.create_superuser("ana"))
    fill(redis, "snapshots:raw", 1500)
    make_group(redis, "snapshots:raw", "scanner", read=5, acknowledged=2)
    make_group(redis, "events:session", "<i>group</i>")
    for name in STRANGE:
        redis.xadd(name, {"<script>": "<script>alert(1)</script>", "json": '{"a": [1, {}]}', "raw": b"\xff\x00"})
    make_policy()
    put(redis, RECORDS)
    snapshots.build_snapshots(now=timezone.now())
    discover_streams(now=timezone.now())
    return client


@contextmanager
def undone() -> Iterator[None]:
    """What an example wrote into PostgreSQL is not there for the next."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def crawl(client: Client) -> tuple[list[str], list[forms.Form]]:
    """Every page that links lead to from the overview and admin, and every form on them; of similar ones a few."""
    waiting, seen, found, similar = ["/", "/admin/", "/streams/limits/new"], [], [], {}
    while waiting and len(seen) < PAGES_MOST:
        page = waiting.pop(0)
        kind = re.sub(r"\d+|/of/.*|/trim/.*|/live/.*", "N", page.partition("?")[0]) + "?" * ("?" in page)
        if page in seen or page.startswith(LEAVES) or similar.get(kind, 0) >= 3:
            continue
        answer = client.get(page)
        seen.append(page)
        similar[kind] = similar.get(kind, 0) + 1
        if "text/html" in answer.get("Content-Type", ""):
            more, links = forms.read(page.partition("?")[0], answer.content.decode())
            found += [form for form in more if not form.action.startswith(LEAVES)]
            waiting += sorted(links)
    assert len(seen) > 40 and len(found) > 25
    return seen, list({(one.action, one.method, len(one.fields)): one for one in found}.values())


words = st.one_of(texts, st.integers().map(str), st.sampled_from(["snapshots:raw", "scanner", "1-0", "-", "bytes"]))
htmx = st.sampled_from(({}, {}, {"HX-Request": "true"}, {"HX-Request": "true", "HX-Target": "rows"}))


def test_every_query_parameter(ana: Client, parameters: list[str]) -> None:
    pages, _ = crawl(ana)

    @given(
        page=st.sampled_from(pages),
        more=st.lists(st.tuples(st.sampled_from(parameters), words), min_size=1, max_size=4),
        raw=st.one_of(st.just(b""), st.binary(max_size=12)),
        headers=htmx,
    )
    @examples(3)
    def ask(page: str, more: list[tuple[str, str]], raw: bytes, headers: dict[str, str]) -> None:
        path, _, query = page.partition("?")
        query = urlencode([*parse_qsl(query), *more], errors="surrogatepass") + "&page=" + quote_from_bytes(raw)
        with undone():
            answer = ana.get(f"{path}?{query}", headers=headers)
        assert answer.status_code < 500, (path, query)

    ask()


def test_every_form(ana: Client) -> None:
    _, found = crawl(ana)
    assert {"post", "get"} <= {form.method for form in found}

    @given(form=st.sampled_from(found), data=st.data(), headers=htmx)
    @examples(4)
    def send(form: forms.Form, data: Any, headers: dict[str, str]) -> None:
        fields = list(form.fields)
        for _ in range(data.draw(st.integers(0, 3), label="changes")):
            at = data.draw(st.integers(0, max(0, len(fields) - 1)), label="field")
            what = data.draw(st.sampled_from(("replace", "replace", "drop", "twice", "more")), label="how")
            if what == "more" or not fields:
                fields.append((data.draw(words, label="name"), data.draw(words, label="value")))
            elif what == "drop":
                del fields[at]
            else:
                fields[at : at + (what == "replace")] = [(fields[at][0], data.draw(words, label="value"))]
        if form.buttons and data.draw(st.booleans(), label="button"):
            fields.append(data.draw(st.sampled_from(form.buttons), label="which"))
        body = urlencode([pair for pair in fields if pair[0] != "csrfmiddlewaretoken"], errors="surrogatepass")
        with undone():
            if form.method == "get":
                answer = ana.get(f"{urlsplit(form.action).path}?{body}", headers=headers)
            else:
                kind = "application/x-www-form-urlencoded"
                answer = ana.post(form.action, body, content_type=kind, headers=headers)
        assert answer.status_code < 500 or b"PostgreSQL does not answer" not in answer.content, (form, body)
        assert answer.status_code != 500, (form, body)

    send()


@pytest.mark.parametrize("kind", ["stream", "list", "policy"])
def test_every_name_in_an_address(ana: Client, kind: str) -> None:
    shapes = {
        "stream": ("/streams/of/{}", "/streams/trim/{}"),
        "list": ("/snapshot/{}/since/1", "/snapshots/live/{}/", "/snapshot/full/latest?list={}"),
        "policy": (
            "/hypertables/tables/{}/",
            "/hypertables/{}/1/preview",
            "/snapshots/policies/{}/",
            "/streams/limits/{}/row",
        ),
    }[kind]

    @given(shape=st.sampled_from(shapes), name=st.one_of(words.map(str.encode), st.binary(max_size=20)), headers=htmx)
    @examples(2)
    def ask(shape: str, name: bytes, headers: dict[str, str]) -> None:
        path = shape.format(quote_from_bytes(name, safe=""))
        with undone():
            assert ana.get(path, headers=headers).status_code < 500, path

    ask()

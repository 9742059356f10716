"""What others wrote, shown: no name, entry, error or note becomes an element, an attribute or a script of a page."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.utils import timezone

from snapshots import services as snapshots
from streams import services
from streams.engine.producers import PRODUCERS_KEY
from streams.engine.wire import KNOWN_KEY
from tests.fuzz.forms import read
from tests.snapshots.factories import make_policy, put
from tests.streams.factories import make_group, make_row
from timescale.models import HypertablePolicy
from tradeul_ops import task_runs
from tradeul_ops.console.since import remembered

PROBE = "probe-of-the-test"
HOSTILE = (
    f"<{PROBE}>",
    f'"><{PROBE} a="',
    f"'><{PROBE} a='",
    f'" on{PROBE}="alert(1)" x="',
    f"' on{PROBE}='alert(1)' x='",
    f"</title><{PROBE}>",
    f"</textarea></select></script><{PROBE}>",
    f"javascript:alert('{PROBE}')",
    f"{{{{ 7 }}}}<{PROBE}>{{% csrf_token %}}",
    f"--><{PROBE}><!--",
)


class Judge(HTMLParser):
    """Collects what a browser would take for markup of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.guilty: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if PROBE in tag:
            self.guilty.append(f"<{tag}>")
        for name, value in attrs:
            runs = name.startswith(("on", "hx-on"))
            goes = name in {"href", "src", "action", "formaction", "hx-get", "hx-post"}
            scripts = (value or "").strip().lower().startswith(("javascript:", "data:text"))
            if PROBE in name or runs or (goes and scripts):
                self.guilty.append(f"<{tag} {name}={value!r}>")

    def handle_decl(self, decl: str) -> None:
        if PROBE in decl:
            self.guilty.append(decl)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def ana(client: Client, db: None, redis: redis_library.Redis) -> Client:
    """Hostile words in every place that others can write to."""
    client.force_login(get_user_model().objects.create_superuser("ana"))
    remembered.forget()
    for number, word in enumerate(HOSTILE):
        for _ in range(3):
            redis.xadd(word, {word: word, "json": json.dumps({word: [word]}), "data": word})
        make_group(redis, word, word, read=1)
        redis.xreadgroup(word, word, {word: ">"}, count=1)  # a consumer of that name
        redis.sadd(KNOWN_KEY, word)
        seen = {"name": word, "host": word, "pid": 1, "version": None, "seen_at": time.time(), "adds": 5}
        redis.hset(PRODUCERS_KEY, word, json.dumps(seen))
        if number % 2:
            make_row(word, 1, trim_threshold=1, hard_maxlen=2, note=word)
        task_runs.started()
        task_runs.ended(f"streams.{word}", why=word)
    task_runs.ended("streams.enforce_limits", why=HOSTILE[0])
    make_policy(note=HOSTILE[1], source_key=HOSTILE[0])
    put(redis, {word: {word: word, "price": 1} for word in HOSTILE}, key=f"test:{HOSTILE[0]}")
    snapshots.build_snapshots(now=timezone.now())  # which fails, and the reason names the source
    make_policy("good", source_key=f"test:{HOSTILE[0]}")
    snapshots.build_snapshots(now=timezone.now())
    with connection.cursor() as cursor:
        for word in HOSTILE[:3]:
            table, day = word.replace('"', ""), timedelta(days=1)
            cursor.execute(f'CREATE TABLE "{table}" (time timestamptz)')
            spans = dict.fromkeys(("chunk_time_interval", "drop_after", "retention_schedule_interval"), day)
            HypertablePolicy.objects.create(table_name=table, time_column="time", **spans)
    services.discover_streams(now=timezone.now())
    return client


def pages(client: Client) -> list[str]:
    """Every page that links lead to; of similar ones as many as there are words."""
    waiting = [f"/{name}/" for name in ("streams", "admin", "findings", "producers", "jobs", "changes", "snapshots")]
    quoted = [quote(word, safe="") for word in HOSTILE]
    waiting += ["/", *(f"/streams/of/{word}?group={word}&consumer={word}" for word in quoted)]
    seen: list[str] = []
    while waiting and len(seen) < 90:
        page = waiting.pop(0)
        if page in seen or page.startswith(("/logout", "/admin/logout", "/static/", "/snapshot/")):
            continue
        seen.append(page)
        answer = client.get(page)
        if "text/html" in answer.get("Content-Type", ""):
            waiting += sorted(read(page.partition("?")[0], answer.content.decode())[1])
    return seen


def test_nothing_that_others_wrote_becomes_markup(ana: Client) -> None:
    shown: set[str] = set()
    for page in pages(ana):
        answer = ana.get(page)
        if "text/html" not in answer.get("Content-Type", ""):
            continue
        judge = Judge()
        judge.feed(answer.content.decode())
        assert judge.guilty == [], page
        text = "".join(judge.text)
        shown |= {word for word in HOSTILE if word in text}
    assert shown == set(HOSTILE)  # they were there, as text


def test_what_is_no_html_can_not_be_taken_for_it(ana: Client) -> None:
    files = ("/streams/history.json?stream=x", "/streams/history.csv?stream=x")
    for path in ("/api/v1/internal/memory-metrics", "/metrics", *files):
        answer = ana.get(path)
        assert not answer["Content-Type"].startswith("text/html"), path
        assert answer["X-Content-Type-Options"] == "nosniff"


def test_the_judge_sees_what_it_is_to_see() -> None:
    for bad in (f"<{PROBE}>", f"<a on{PROBE}=x>", "<a href=' JavaScript:alert(1)'>", "<b onclick=x>"):
        judge = Judge()
        judge.feed(bad)
        assert judge.guilty, bad

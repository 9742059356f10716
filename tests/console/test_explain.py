"""Where a number comes from: the drawer names the statements that made it, and no secret."""

from __future__ import annotations

import html
import re
import shlex

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import reverse

from streams.models import StreamLimit
from tests.streams.factories import fill
from tradeul_ops import readings
from tradeul_ops.connections import client as make_client
from tradeul_ops.console.explanations import EXPLANATIONS

HTMX = {"HX-Request": "true"}
PAGES = {
    "page": "overview",
    "memory": "overview",
    "streams": "streams:list",
    "snapshots": "snapshots:list",
    "tables": "hypertables:list",
    "producers": "producers",
    "jobs": "jobs",
    "processes": "overview",
    "saved": "overview",
}
# PostgreSQL alone is not asked for TimescaleDB's own figures, nor Redis for the keys of what was never built.
NOT_HERE = {"tables.jobs", "snapshots.stored"}


@pytest.fixture
def ana(client: Client, db: None) -> Client:
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


@pytest.fixture
def raw(redis: redis_library.Redis, db: None) -> StreamLimit:
    fill(redis, "snapshots:raw", 900)
    return StreamLimit.objects.get(pattern="snapshots:raw")


def statements(answer: bytes) -> list[str]:
    return [html.unescape(found) for found in re.findall(r'<pre class="sql">(.*?)</pre>', answer.decode(), re.DOTALL)]


@pytest.mark.parametrize("name", sorted(EXPLANATIONS.keys() - NOT_HERE))
def test_each_figure_names_what_it_is_made_of(ana: Client, raw: StreamLimit, name: str) -> None:
    page = reverse(PAGES[name.partition(".")[0]])
    answer = ana.get(page, {"explain": name}, headers=HTMX)
    assert answer.status_code == 200
    found = statements(answer.content)
    assert found, name
    assert all(word in " ".join((*found, answer.content.decode())) for word in EXPLANATIONS[name].made_of[:1])


def test_the_command_that_is_shown_answers_the_number_that_is_shown(
    ana: Client, raw: StreamLimit, redis: redis_library.Redis
) -> None:
    answer = ana.get(reverse("streams:list"), {"explain": "streams.length", "of": "snapshots:raw"}, headers=HTMX)
    shown, asked = statements(answer.content)
    words = shlex.split(shown)
    known = redis.connection_pool.connection_kwargs
    assert words[:5] == ["redis-cli", "-h", str(known["host"]), "-p", str(known["port"])]
    assert redis.execute_command(*words[words.index("XLEN") :]) == 900
    assert "EVALSHA" in asked
    assert shlex.split(asked)[-1] == "snapshots:raw"
    assert b"read_state.lua" in answer.content


def test_sql_is_shown_with_its_values_and_runs_as_it_stands(ana: Client, raw: StreamLimit) -> None:
    answer = ana.get(reverse("overview"), {"explain": "streams.trim"}, headers=HTMX)
    [query, *_] = [text for text in statements(answer.content) if "streams_trimrun" in text]
    assert "%s" not in query
    with connection.cursor() as cursor:
        cursor.execute(query)


def test_it_works_without_a_script_beside_the_whole_page(ana: Client, raw: StreamLimit) -> None:
    text = ana.get(reverse("overview"), {"explain": "memory.used"}).content.decode()
    assert 'id="sentence"' in text
    assert "INFO memory" in text
    assert 'href="?explain=memory.used"' in text  # the link that led here


@pytest.mark.parametrize("query", [{}, {"explain": "nothing.known"}, {"explain": ""}])
def test_nothing_is_kept_where_nobody_asked(ana: Client, raw: StreamLimit, query: dict[str, str]) -> None:
    answer = ana.get(reverse("overview"), query)
    assert answer.status_code == 200
    assert b'id="explained"' not in answer.content
    assert readings._open.get() is None


def test_a_stranger_is_asked_to_log_in(client: Client, db: None) -> None:
    answer = client.get(reverse("overview"), {"explain": "page"}, headers=HTMX)
    assert answer.status_code == 302


def test_neither_a_password_nor_who_asks_is_shown(ana: Client, raw: StreamLimit) -> None:
    text = ana.get(reverse("overview"), {"explain": "page"}, headers=HTMX).content.decode()
    for secret in (ana.session.session_key, connection.settings_dict["PASSWORD"] or "no password", "django_session"):
        assert secret not in text
    assert statements(text.encode())


def test_the_node_of_an_address_with_a_password_is_its_host_and_port(redis: redis_library.Redis) -> None:
    known = redis.connection_pool.connection_kwargs
    asking = make_client(f"redis://default:hunter2@{known['host']}:{known['port']}/0")
    with readings.recording() as found:
        asking.get("x")
    asking.close()
    assert [(one.node, one.statements) for one in found] == [(f"{known['host']}:{known['port']}/0", (("GET", "x"),))]


def test_a_source_that_is_away_still_says_what_was_asked(ana: Client, raw: StreamLimit, settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = ana.get(reverse("overview"), {"explain": "memory.used"}, headers=HTMX)
    assert answer.status_code == 200
    assert b"127.0.0.1:1/0" in answer.content or b"No server was asked" in answer.content

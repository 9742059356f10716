"""Servers of a test's own, to be killed, filled and cut; and what the console says meanwhile."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from django.utils.html import strip_tags

from snapshots import services as snapshots
from streams.models import StreamLimit
from tests.streams.factories import fill, make_row
from tests.timescale.conftest import as_default
from tradeul_ops.console import panels
from tradeul_ops.demo.servers import PostgresServer, ValkeyServer, free_port

Says = Callable[..., str]


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Every test begins and ends as processes that were just started."""
    snapshots.forget()
    panels._last_good.clear()
    yield
    snapshots.forget()
    panels._last_good.clear()


@pytest.fixture
def no_limits(transactional_db: None) -> None:
    StreamLimit.objects.all().delete()


@pytest.fixture
def server(tmp_path: Path, settings: Any) -> Iterator[ValkeyServer]:
    """A data server to be stopped; settings point at it."""
    own = ValkeyServer(tmp_path / "own", free_port(), options={"save": "300 1"})
    own.start()
    settings.REDIS_URL = own.url
    yield own
    own.stop()


@pytest.fixture
def console_says(client: Client, transactional_db: None, redis_url: str, settings: Any) -> Says:
    """The words of a page, as an operator with every permission reads them; the broker is up."""
    settings.CELERY_BROKER_URL = redis_url

    def read(address: str = "/", *, status: int = 200) -> str:
        operator, _ = get_user_model().objects.get_or_create(username="operator", is_staff=True, is_superuser=True)
        client.force_login(operator)
        answer = client.get(address)
        assert answer.status_code == status, answer.content
        return words(answer.content.decode())

    return read


def words(page: str) -> str:
    """Without tags, scripts and runs of white space."""
    page = re.sub(r"<(script|style|head)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(strip_tags(re.sub(r"<", " <", page))).split())


def killed(server: Any) -> None:
    """kill -9, as a machine that loses its power."""
    server.process.kill()
    server.process.wait()


@contextmanager
def as_only_database(own: PostgresServer, blocker: Any, redis: redis_library.Redis) -> Iterator[PostgresServer]:
    """A server of its own with the whole schema, as the default one; a stream past its limit."""
    own.start()
    try:
        with blocker.unblock(), as_default(own.url):
            call_command("migrate", verbosity=0)
            make_row("orders", 1000)
            fill(redis, "orders", 2000)
            yield own
    finally:
        own.stop()


@pytest.fixture
def data(redis: redis_library.Redis) -> redis_library.Redis:
    return redis

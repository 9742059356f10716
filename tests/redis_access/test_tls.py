"""rediss:// and its certificates: everything works over TLS, and nobody is believed who is not to be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from django.test import Client
from django.utils import timezone

from streams import services
from streams.models import StreamLimit
from streams.producer import StreamProducer
from tests.faults.conftest import words
from tests.redis_access.tls import TlsFront
from tests.streams.factories import fill, make_row
from tradeul_ops import connections, liveness
from tradeul_ops.celery import app

Redis = redis_library.Redis


@pytest.fixture
def front(redis: Redis, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsFront]:
    """Settings point at it; the process trusts its authority by SSL_CERT_FILE, as docs/security-redis.md says."""
    with TlsFront(_port(redis), tmp_path / "tls") as own:
        monkeypatch.setenv("SSL_CERT_FILE", str(own.authority))
        settings.REDIS_URL = settings.CELERY_BROKER_URL = url(own)
        yield own
        connections.data_redis().close()
        connections.broker_redis().close()


def url(front: TlsFront) -> str:
    return f"rediss://127.0.0.1:{front.port}/0"


def _port(client: Redis) -> int:
    return int(client.connection_pool.connection_kwargs["port"])


def test_pages_and_trims_over_tls(front: TlsFront, redis: Redis, admin_client: Client) -> None:
    StreamLimit.objects.all().delete()
    make_row("orders", 1000)
    fill(redis, "orders", 2000)
    assert services.enforce_limits(timezone.now()) == 1
    liveness.stamp("worker")
    text = words(admin_client.get("/").content.decode())
    assert "Redis does not answer" not in text and "orders" in text
    assert redis.xlen("orders") <= 1099


def test_a_producer_over_tls(front: TlsFront, redis: Redis, db: None, wait_until: Callable[..., None]) -> None:
    services.publish_limits()
    with Redis.from_url(url(front)) as client, StreamProducer(client, trim=False) as producer:
        producer.xadd_many("orders", ({"n": n} for n in range(10)))
        wait_until(lambda: redis.pubsub_numsub("tradeul:streams:limits")[0][1] > 0, "it listens")
    assert redis.xlen("orders") == 10


def test_tasks_over_tls(front: TlsFront, redis: Redis, settings: Any) -> None:
    before = app.conf.broker_url, app.conf.task_always_eager
    app.conf.broker_url, app.conf.task_always_eager = settings.CELERY_BROKER_URL, False
    try:
        with app.connection_for_write() as connection:
            app.send_task("streams.publish_limits", connection=connection)
            queue = connection.SimpleQueue("celery")
            assert queue.get(timeout=10).headers["task"] == "streams.publish_limits"
            queue.close()
    finally:
        app.conf.broker_url, app.conf.task_always_eager = before
    redis.flushdb()


def test_a_certificate_of_nobody_known_is_refused(front: TlsFront, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(redis_library.ConnectionError, match="certificate verify failed"):
        connections.client(url(front)).ping()


def test_a_certificate_of_another_host_is_refused(
    redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TlsFront(_port(redis), tmp_path / "tls", host="redis.example.com") as other:
        monkeypatch.setenv("SSL_CERT_FILE", str(other.authority))
        with pytest.raises(redis_library.ConnectionError, match=r"is not valid for '127\.0\.0\.1'"):
            connections.client(url(other)).ping()

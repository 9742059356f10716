"""What bounds the console itself: the queue without a worker, the audit, the sessions; and a cluster that is away."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
import redis as redis_library
from celery.beat import PersistentScheduler
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from tests.streams.factories import make_row
from tradeul_ops import audit, connections, liveness
from tradeul_ops.celery import app
from tradeul_ops.console import tasks
from tradeul_ops.demo.servers import free_port


def test_beat_sends_nothing_more_while_no_worker_takes_anything(
    redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(PersistentScheduler, "apply_entry", lambda self, entry, producer=None: sent.append(entry))
    scheduler = liveness.StampingScheduler(app=app, lazy=True)
    scheduler.apply_entry("first")
    redis.rpush(liveness.QUEUE, *range(liveness.LONGEST_QUEUE))
    with caplog.at_level(logging.WARNING):
        scheduler.apply_entry("second")
        scheduler.apply_entry("third")
    assert sent == ["first"]
    assert [record.getMessage() for record in caplog.records] == [
        "100 tasks wait and no worker takes them: nothing more is sent until one does."
    ]
    redis.delete(liveness.QUEUE)
    scheduler.apply_entry("fourth")
    assert sent == ["first", "fourth"]


def test_the_audit_keeps_its_newest_lines_and_old_sessions_go(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = get_user_model().objects.create(username="ana")
    for number in range(5):
        audit.record(user_id=ana.pk, row=ana, flag=audit.CHANGED, changes={"note": (number, number + 1)})
    now = timezone.now()
    Session.objects.create(session_key="old", session_data="", expire_date=now - timedelta(days=1))
    Session.objects.create(session_key="new", session_data="", expire_date=now + timedelta(days=1))
    monkeypatch.setattr(tasks, "AUDIT_KEPT", 2)
    tasks.prune_history()
    assert [line.get_change_message() for line in LogEntry.objects.order_by("id")] == [
        "Changed note: 3 → 4.",
        "Changed note: 4 → 5.",
    ]
    assert [session.session_key for session in Session.objects.all()] == ["new"]


@pytest.mark.parametrize(
    "address", ["/", "/streams/", "/streams/of/orders", "/streams/limits/new?stream=trades", "/streams/trim/orders",
                "/producers/", "/findings/", "/verify/", "/admin/streams/streamlimit/", "/metrics"]
)  # fmt: skip
def test_a_cluster_that_is_away_when_a_page_first_asks_is_said_on_it(
    client: Client, db: None, settings, address: str
) -> None:
    settings.REDIS_URL = f"redis+cluster://127.0.0.1:{free_port()}"
    make_row("order*")
    client.force_login(get_user_model().objects.create_superuser("ana"))
    page = client.get(address)
    assert page.status_code in (200, 503)
    if address not in ("/metrics", "/admin/streams/streamlimit/"):
        assert b"no node of the cluster answers" in page.content


def test_a_cluster_client_connects_at_its_first_command(client: Client, db: None, settings) -> None:
    settings.REDIS_URL = f"redis+cluster://127.0.0.1:{free_port()}"
    late = connections.data_redis()
    assert isinstance(late, redis_library.RedisCluster)
    for _ in range(2):  # and tries again at the next
        with pytest.raises(redis_library.ConnectionError, match="no node of the cluster answers"):
            late.ping()
    assert client.get("/health/ready").json()["redis"] is False

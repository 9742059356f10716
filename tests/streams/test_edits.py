"""services.edits and services.publishing: a limit that is changed, by any door, reaches producers and the server."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from streams import services, store, tasks
from streams.engine.definitions import Definition
from streams.engine.wire import LIMITS_KEY, to_wire
from streams.models import Stream, StreamLimit, TrimRun
from streams.services.definitions import compare_definitions, import_definitions
from streams.services.publishing import publish_or_warn
from tests.streams.factories import NOW, fill, later, make_row, make_rule
from tradeul_ops.demo.servers import free_port

Redis = redis_library.Redis
Commit = Callable[..., Any]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


def test_an_import_of_many_limits_tells_producers_once(
    redis: Redis, admin_user: Any, django_capture_on_commit_callbacks: Commit
) -> None:
    wanted = [Definition(make_rule(name), "") for name in ("a", "b", "c")]
    with django_capture_on_commit_callbacks(execute=True) as called:
        shown = compare_definitions(wanted)
        import_definitions(wanted, shown=shown, user_id=admin_user.pk, now=NOW)
    assert called.count(publish_or_warn) == 1
    assert store.read_published(redis).limits.keys() == {"a", "b", "c"}


def test_an_edit_is_saved_audited_published_and_enforced(
    redis: Redis, admin_user: Any, django_capture_on_commit_callbacks: Commit
) -> None:
    """All that one click does; `orders` is above its new maxlen, though not above its threshold."""
    row = make_row(due_at=later(30))
    fill(redis, "orders", 1150)
    with django_capture_on_commit_callbacks(execute=True):
        services.update_limit(row.pk, {"maxlen": 500, "note": "quiet week"}, user_id=admin_user.pk, now=NOW)
    row.refresh_from_db()
    assert (row.maxlen, row.trim_threshold, row.note) == (500, 1200, "quiet week")
    assert (row.updated_at, row.updated_by) == (NOW, admin_user)
    assert store.read_published(redis).limits["orders"].decode() == to_wire(row.rule)
    assert 500 <= redis.xlen("orders") <= 599
    line = LogEntry.objects.get()
    assert line.user == admin_user
    assert "maxlen: 1000 → 500" in json.loads(line.change_message)[0]["changed"]["fields"]
    assert TrimRun.objects.get().stream == "orders"


def test_only_what_changed_is_saved(admin_user: Any, django_capture_on_commit_callbacks: Commit) -> None:
    row = make_row()
    StreamLimit.objects.filter(pk=row.pk).update(maxlen=700)  # by somebody else, since this row was read
    services.update_limit(row.pk, {"note": "n"}, user_id=admin_user.pk, now=NOW)
    row.refresh_from_db()
    assert (row.maxlen, row.note) == (700, "n")


def test_an_edit_that_changes_nothing_leaves_no_trace(
    admin_user: Any, django_capture_on_commit_callbacks: Commit
) -> None:
    row = make_row(due_at=later(30))
    with django_capture_on_commit_callbacks() as told:
        services.update_limit(row.pk, {"maxlen": 1000}, user_id=admin_user.pk, now=NOW)
    row.refresh_from_db()
    assert (row.updated_by, Stream.objects.get(name=row.pattern).due_at) == (None, later(30))
    assert not told
    assert not LogEntry.objects.exists()


def test_a_note_trims_nothing(admin_user: Any, django_capture_on_commit_callbacks: Commit) -> None:
    row = make_row(due_at=later(30))
    with django_capture_on_commit_callbacks() as told:
        services.update_limit(row.pk, {"note": "n"}, user_id=admin_user.pk, now=NOW)
    row.refresh_from_db()
    assert Stream.objects.get(name=row.pattern).due_at == later(30)
    assert not told


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"maxlen": 0}, "maxlen"), ({"maxlen": 1201}, "trim_threshold"), ({"hard_maxlen": None}, "hard_maxlen")],
)
def test_an_edit_that_does_not_hold_changes_nothing(changes: dict[str, Any], field: str, admin_user: Any) -> None:
    row = make_row()
    with pytest.raises(ValidationError) as error:
        services.update_limit(row.pk, changes, user_id=admin_user.pk, now=NOW)
    assert list(error.value.message_dict) == [field]
    row.refresh_from_db()
    assert (row.maxlen, row.hard_maxlen) == (1000, 3000)
    assert not LogEntry.objects.exists()


def test_a_column_that_nobody_edits_is_refused(admin_user: Any) -> None:
    with pytest.raises(ValueError, match="held_by"):
        services.update_limit(make_row().pk, {"held_by": "x"}, user_id=admin_user.pk, now=NOW)


def test_a_new_limit_acts_at_once_and_a_deleted_one_no_more(
    redis: Redis, admin_user: Any, django_capture_on_commit_callbacks: Commit
) -> None:
    fill(redis, "orders", 1150)
    unsaved = StreamLimit(pattern="orders", maxlen=100, trim_threshold=2000, hard_maxlen=3000)
    unsaved.trim_interval = timedelta(seconds=30)
    with django_capture_on_commit_callbacks(execute=True):
        services.create_limit(unsaved, user_id=admin_user.pk, now=NOW)
    assert redis.xlen("orders") <= 199
    with django_capture_on_commit_callbacks(execute=True):
        services.delete_limit(unsaved.pk, user_id=admin_user.pk, now=NOW)
    assert redis.hgetall(LIMITS_KEY) == {b":version": b"2"}
    assert LogEntry.objects.count() == 2
    assert redis.exists("orders")


def test_an_edit_stands_while_redis_and_the_broker_are_away(
    settings: Any, admin_user: Any, django_capture_on_commit_callbacks: Commit, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    row = make_row()
    with caplog.at_level(logging.WARNING), django_capture_on_commit_callbacks(execute=True):
        services.update_limit(row.pk, {"maxlen": 500}, user_id=admin_user.pk, now=NOW)
    row.refresh_from_db()
    assert row.maxlen == 500
    assert Stream.objects.get(name=row.pattern).due_at is None, (
        "the next sweep trims it without waiting for its threshold"
    )
    assert "Limits are not published" in caplog.text


def test_an_edit_does_not_wait_for_a_broker_that_is_away(repository: Path) -> None:
    """In a process of its own: Celery reads its broker's address once."""
    code = (
        "import time, django; django.setup()\n"
        "from streams.services.edits import _send_enforcement\n"
        "started = time.monotonic(); _send_enforcement(['orders']); print(time.monotonic() - started)"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "tradeul_ops.settings", "SECRET_KEY": "s" * 60, "HTTPS": "false"}
    environment |= {"CELERY_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0"}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(
        command, cwd=repository, env=os.environ | environment, capture_output=True, text=True, check=True
    )
    assert float(ran.stdout) < 1
    assert "orders: trimmed by the next sweep" in ran.stderr


def test_rules_hold_where_no_form_looks() -> None:
    row = make_row()
    for changes in (
        {"maxlen": 0},
        {"maxlen": 1201},
        {"trim_threshold": 999},
        {"hard_maxlen": 1199},
        {"hard_maxlen": None},
        {"trim_interval": timedelta(0)},
        {"pattern": ""},
        {"pattern": ":version"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            StreamLimit.objects.filter(pk=row.pk).update(**changes)


def test_what_was_changed_past_the_services_is_published_all_the_same(redis: Redis) -> None:
    make_row("orders")
    make_row("trades")
    assert services.publish_limits() == 1
    StreamLimit.objects.filter(pattern="orders").update(maxlen=7)
    StreamLimit.objects.filter(pattern="trades").delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO streams_streamlimit (pattern, maxlen, trim_threshold, trim_interval, hard_maxlen)"
            " VALUES ('raw', 1, 2, '30 s', 3)"
        )
    tasks.publish_limits()
    published = store.read_published(redis)
    assert published.version == 2
    assert {name: text.decode() for name, text in published.limits.items()} == {
        row.pattern: to_wire(row.rule) for row in StreamLimit.objects.all()
    }
    assert published.limits.keys() == {"orders", "raw"}


def test_whoever_publishes_older_rows_starts_again(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody publishes between this one's reading and its writing, once."""
    make_row("orders")
    real, interrupted = store.publish_limits, []

    def publish(client: Redis, wanted: Any, *, compared: Any) -> int | None:
        if not interrupted:
            interrupted.append(True)
            StreamLimit.objects.filter(pattern="orders").update(maxlen=7)
            services.publish_limits()
        return real(client, wanted, compared=compared)

    monkeypatch.setattr(store, "publish_limits", publish)
    assert services.publish_limits() == 1
    assert b'"maxlen": 7,' in store.read_published(redis).limits["orders"]

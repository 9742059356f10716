"""services.enforcement: what is due is trimmed and recorded, and nothing that goes wrong stays wrong."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis as redis_library
from django.db import OperationalError, connection

from streams import services, store, tasks
from streams.engine.trimming import Trimming
from streams.models import Enforcement, Stream, TrimRun
from tests.streams.factories import NOW, fill, later, make_group, make_row
from tradeul_ops.demo.servers import free_port
from tradeul_ops.runs import Outcome

Redis = redis_library.Redis
Commit = Callable[..., Any]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


def test_a_sweep_cuts_what_is_due_to_maxlen_and_the_rest_past_its_threshold(redis: Redis) -> None:
    for stream, length, due_at in (
        ("due", 1150, NOW),
        ("past its threshold", 1201, later(5)),
        ("within its threshold", 1200, later(5)),
        ("off", 5000, NOW),
    ):
        make_row(stream, due_at=due_at, enabled=stream != "off")
        fill(redis, stream, length)
    make_row("absent", due_at=NOW)
    assert services.enforce_limits(NOW) == 2
    assert redis.xlen("due") <= 1099
    assert redis.xlen("past its threshold") <= 1099
    assert (redis.xlen("within its threshold"), redis.xlen("off"), redis.exists("absent")) == (1200, 5000, 0)
    assert Enforcement.objects.get().ran_at == NOW
    due = {row.name: row.due_at for row in Stream.objects.exclude(name="off")}
    assert due["due"] == due["absent"] == later(30)
    assert due["past its threshold"] == due["within its threshold"] == later(5)

    assert services.enforce_limits(later(4)) == 0
    assert services.enforce_limits(later(5)) == 1
    assert redis.xlen("within its threshold") <= 1099
    assert Stream.objects.get(name="within its threshold").due_at == later(35)


def test_a_late_sweep_keeps_the_rhythm(redis: Redis) -> None:
    """Sweeps are five seconds apart: an interval counted from each would come out longer than it was set."""
    make_row(due_at=later(-3))
    services.enforce_limits(NOW)
    assert Stream.objects.get().due_at == later(27)
    services.enforce_limits(later(3600))
    assert Stream.objects.get().due_at == later(3630), "what was missed in an hour is not made up for"


def test_between_intervals_a_held_stream_is_left_alone(redis: Redis) -> None:
    make_row(due_at=None)
    fill(redis, "orders", 2000)
    make_group(redis, "orders", "pricing")
    services.enforce_limits(NOW)
    redis.xgroup_destroy("orders", "pricing")
    assert services.enforce_limits(later(5)) == 0
    assert redis.xlen("orders") == 2000
    assert services.enforce_limits(later(30)) == 1


def test_a_group_that_holds_is_named_and_let_go_of(redis: Redis) -> None:
    make_row()
    fill(redis, "orders", 2000)
    make_group(redis, "orders", "pricing")
    services.enforce_limits(NOW)
    assert not TrimRun.objects.exists(), "nothing was trimmed"
    assert Stream.objects.get().held_by == "pricing"
    redis.xgroup_destroy("orders", "pricing")
    services.enforce_limits(later(30))
    assert Stream.objects.get().held_by == ""
    assert redis.xlen("orders") <= 1099


def test_a_key_that_is_no_stream_fails_alone_and_fills_no_history(redis: Redis) -> None:
    make_row("test:string")
    make_row("orders")
    redis.set("test:string", "x")
    fill(redis, "orders", 5000)
    for tick in range(3):
        services.enforce_limits(later(30 * tick))
    assert redis.xlen("orders") <= 1099
    failure = TrimRun.objects.get(outcome=Outcome.FAILED)
    assert failure.stream == "test:string"
    assert "is no stream" in failure.detail
    assert (failure.started_at, failure.finished_at) == (NOW, later(60))


def test_while_redis_is_away_limits_stay_due_and_the_outage_is_one_row(
    redis: Redis, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    make_row(due_at=None)
    fill(redis, "orders", 1150)
    here = settings.REDIS_URL
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    with caplog.at_level(logging.WARNING):
        tasks.enforce_limits()
        tasks.enforce_limits()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    failure = TrimRun.objects.get()
    assert failure.stream == services.WHOLE_SWEEP
    assert failure.finished_at > failure.started_at
    assert not Enforcement.objects.filter(ran_at__isnull=False).exists()
    settings.REDIS_URL = here
    tasks.enforce_limits()
    assert redis.xlen("orders") <= 1099, "still without waiting for the threshold"


def test_an_error_in_the_middle_loses_neither_the_record_nor_the_turn(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_row("a", due_at=None)
    make_row("b", due_at=later(-1))
    make_row("c", due_at=NOW)
    for stream in "abc":
        fill(redis, stream, 5000)
    real = store.trim

    def fails_in_b(client: Redis, trimmings: Sequence[Trimming], *, until: float) -> None:
        for trimming in trimmings:
            if trimming.trim.stream == "b":
                trimming.take([1000, 0, 4000, b"", b"", [], None])
                raise store.StoreUnavailable("Redis does not answer: gone")
            real(client, [trimming], until=until)

    monkeypatch.setattr(store, "trim", fails_in_b)
    with pytest.raises(store.StoreUnavailable):
        services.enforce_limits(NOW)
    assert dict(TrimRun.objects.values_list("stream", "trimmed")) == {"": 0, "a": 5000 - redis.xlen("a"), "b": 1000}
    due = dict(Stream.objects.values_list("name", "due_at"))
    assert due == {"a": later(30), "b": later(-1), "c": NOW}


def test_what_does_not_fit_into_a_sweep_comes_first_in_the_next(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    make_row("a", due_at=None)
    make_row("b", due_at=NOW)
    for stream in "ab":
        fill(redis, stream, 5000)
    monkeypatch.setattr(services.enforcement, "SWEEP_SECONDS", 0.0)
    assert services.enforce_limits(NOW) == 0
    assert dict(Stream.objects.values_list("name", "due_at")) == {"a": None, "b": NOW}
    monkeypatch.undo()
    assert services.enforce_limits(NOW) == 2


def test_an_edit_during_a_trim_is_not_forgotten(redis: Redis, admin_user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    row = make_row(due_at=NOW)
    fill(redis, "orders", 5000)
    real = store.trim

    def edited(client: Redis, trimmings: Sequence[Trimming], *, until: float) -> None:
        real(client, trimmings, until=until)
        services.update_limit(row.pk, {"maxlen": 100}, user_id=admin_user.pk, now=NOW)

    monkeypatch.setattr(store, "trim", edited)
    services.enforce_limits(NOW)
    assert Stream.objects.get().due_at is None
    monkeypatch.undo()
    services.enforce_limits(later(1))
    assert redis.xlen("orders") <= 199


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_do_not_run_at_the_same_time(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    make_row()
    fill(redis, "orders", 5000)
    second: list[int] = []
    real = store.trim

    def sweep() -> None:
        second.append(services.enforce_limits(NOW))
        connection.close()

    def trim(client: Redis, trimmings: Sequence[Trimming], *, until: float) -> None:
        thread = threading.Thread(target=sweep)
        thread.start()
        thread.join()
        real(client, trimmings, until=until)

    monkeypatch.setattr(store, "trim", trim)
    assert services.enforce_limits(NOW) == 1
    assert second == [0]
    assert TrimRun.objects.count() == 1


def test_tasks_go_on_while_postgresql_is_away(redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("connection refused\n  is it running?")

    for name in ("enforce_limits", "enforce_limit", "publish_limits", "prune_history"):
        monkeypatch.setattr(services, name, away)
    with caplog.at_level(logging.WARNING):
        tasks.enforce_limits()
        tasks.enforce_limit("orders")
        tasks.publish_limits()
        tasks.prune_history()
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 4
    assert "\n" not in caplog.records[0].getMessage()

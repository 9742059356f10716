"""services.records: what trims did and cost is on record, whatever fails meanwhile, and history is bounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
import redis as redis_library
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F

from streams import services, store, tasks
from streams.engine.trimming import Trimming
from streams.models import Enforcement, TrimRun
from streams.services import records, samples
from tests.streams.factories import NOW, fill, later, make_group, make_row
from tradeul_ops.runs import Outcome

Redis = redis_library.Redis
Commit = Callable[..., Any]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


def test_what_a_trim_did_is_recorded(redis: Redis) -> None:
    make_row()
    fill(redis, "orders", 5000, size=1000)
    services.enforce_limits(NOW)
    run = TrimRun.objects.get()
    assert (run.stream, run.outcome, run.started_at) == ("orders", Outcome.DONE, NOW)
    assert (run.length_before, run.length_after) == (5000, redis.xlen("orders"))
    assert run.trimmed == 5000 - redis.xlen("orders")
    assert run.bytes_before > run.bytes_after > 1_000_000
    assert (run.forced, run.held_by, run.floor) == (0, "", "")
    assert run.duration_us > 0
    said = f"Trimmed {run.trimmed:,} entries from orders: {run.length_after:,} left, about"
    assert run.detail == f"{said} {run.bytes_freed / 1e6:.1f} MB freed."
    totals = Enforcement.objects.get()
    assert (totals.trims, totals.trimmed, totals.bytes_trimmed) == (1, run.trimmed, run.bytes_freed)


def test_what_the_ceiling_cost_is_recorded_and_said(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    make_row()
    fill(redis, "orders", 5000)
    make_group(redis, "orders", "abandoned")
    services.enforce_limits(NOW)
    run = TrimRun.objects.get()
    assert run.forced == run.trimmed == 5000 - redis.xlen("orders")
    assert run.held_by == "abandoned"
    assert [record.getMessage() for record in caplog.records] == [run.detail]
    assert "lost 2,000 unread entries" in run.detail
    assert Enforcement.objects.get().forced == run.forced


@pytest.fixture
def unwritten(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trim that took 1,000 entries from a group, and whose record could not be written."""

    def away(*_: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    make_row()
    make_group(redis, "orders", "pricing")
    fill(redis, "orders", 4000)
    with monkeypatch.context() as patch:
        patch.setattr(records, "_write", away)
        with pytest.raises(OperationalError):
            services.enforce_limits(NOW)


def test_a_trim_whose_record_could_not_be_written_is_recorded_by_the_next_sweep(redis: Redis, unwritten: None) -> None:
    """PostgreSQL goes away between the trim and its record: what a group lost must not be forgotten with it."""
    assert not TrimRun.objects.exists()
    services.enforce_limits(later(5))
    run = TrimRun.objects.get()
    assert (run.trimmed, run.forced) == (1000, 1000)
    assert (Enforcement.objects.get().forced, Enforcement.objects.get().under_way) == (1000, {})


def test_a_worker_that_was_taken_for_dead_puts_its_record_in_place_of_the_guess(
    redis: Redis, unwritten: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While PostgreSQL takes no record of its trim, another process begins one, and tells of the first what it sees."""
    with monkeypatch.context() as patch:
        patch.setattr(records, "_unrecorded", [])  # of another process
        fill(redis, "orders", range(4001, 4301))
        samples.take_samples(now=later(3))
    guess, totals = TrimRun.objects.get(), Enforcement.objects.get()
    assert (guess.outcome, guess.trimmed, guess.length_after) == (Outcome.PARTIAL, 700, None)
    assert guess.detail == (
        "Began to trim orders: 1,000 of its 4,000 entries are above its ceiling. "
        "At least 700 entries went; more is not known: nobody saw its end."
    )
    assert (totals.trims, totals.trimmed, totals.under_way) == (1, 700, {})
    records.save_what_is_left()
    run, totals = TrimRun.objects.get(), Enforcement.objects.get()
    assert (run.trimmed, run.forced, run.outcome) == (1000, 1000, Outcome.DONE)
    assert (totals.trims, totals.trimmed, totals.forced) == (1, 1000, 1000)


def test_a_bite_that_was_never_answered_is_recorded_as_not_known(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have taken what the group needs; of the one that was not sent, nothing went."""
    for name in ("sent", "not sent"):
        make_row(name)
        make_group(redis, name, "pricing")
        fill(redis, name, 4000)

    def lost(client: Redis, trimmings: Sequence[Trimming], *, until: float) -> None:
        for trimming in trimmings:
            trimming.unanswered = trimming.trim.stream == "sent"
        raise store.StoreUnavailable("Redis does not answer: gone")

    with monkeypatch.context() as patch:
        patch.setattr(store, "trim", lost)
        with pytest.raises(store.StoreUnavailable):
            services.enforce_limits(NOW)
    begun = TrimRun.objects.exclude(stream=services.WHOLE_SWEEP).get()
    assert (begun.stream, begun.outcome, begun.length_after) == ("sent", Outcome.PARTIAL, None)
    assert "What went is not known" in begun.detail


def test_a_trim_is_noted_before_it_with_what_it_may_lose(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    make_row(ignore_groups_idle_for=timedelta(hours=1))
    fill(redis, "orders", 2000)
    make_group(redis, "orders", "pricing", read=10)
    seen: list[Any] = []
    real = store.trim

    def trim(client: Redis, trimmings: Sequence[Trimming], *, until: float) -> None:
        seen.extend(Enforcement.objects.get().under_way.values())
        real(client, trimmings, until=until)

    monkeypatch.setattr(store, "trim", trim)
    services.enforce_limits(NOW)
    (begun,) = seen
    assert begun["streams"]["orders"] == [2000, "groups whose consumers were idle for 60 min are not waited for"]
    assert not TrimRun.objects.exists(), "the group was not idle, and nothing went"


def test_history_is_bounded_and_totals_outlive_it(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    TrimRun.objects.bulk_create(
        TrimRun(stream="orders", started_at=NOW, finished_at=NOW, outcome=Outcome.DONE, trimmed=n)
        for n in range(services.HISTORY_KEPT + 7)
    )
    Enforcement.objects.create(trims=5, trimmed=50)
    tasks.prune_history()
    assert TrimRun.objects.count() == services.HISTORY_KEPT
    assert not TrimRun.objects.filter(trimmed__lt=7).exists()
    assert Enforcement.objects.get().trimmed == 50


def test_there_is_one_row_of_totals() -> None:
    Enforcement.objects.create()
    with pytest.raises(IntegrityError), transaction.atomic():
        Enforcement.objects.create(id=2)
    Enforcement.objects.update(trims=F("trims") + 1)
    assert Enforcement.objects.get().trims == 1

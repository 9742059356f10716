"""The first sweep, the first samples and the first look for streams meet: one of them makes the row of totals."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import redis as redis_library
from django.db import connection, transaction

from streams import services
from streams.models import Enforcement, StreamLimit
from streams.services import samples
from tests.streams.factories import fill, make_row

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 7, 1, 15, 0, tzinfo=UTC)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.mark.parametrize("task", ["sweep", "samples"])
def test_a_row_that_can_not_be_seen_yet_is_no_error(
    redis: redis_library.Redis, wait_until: Callable[..., None], task: str
) -> None:
    """Another task has made it and not committed: whoever comes second waits, and adds what it has to say."""
    StreamLimit.objects.all().delete()
    Enforcement.objects.all().delete()
    fill(redis, "orders", 20)
    make_row("orders")
    made = threading.Event()

    def waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(WAITING)
            return bool(cursor.fetchone()[0])

    def first() -> None:
        try:
            with transaction.atomic():
                Enforcement.note(trims=7)
                made.set()
                wait_until(waits, "the second to wait for the row")
        finally:
            connection.close()

    other = threading.Thread(target=first)
    other.start()
    try:
        assert made.wait(10)
        if task == "sweep":
            services.enforce_limits(NOW)
        else:
            assert samples.take_samples(now=NOW) == 1
    finally:
        other.join()
    totals = Enforcement.objects.get()
    assert totals.trims == 7, "what the first wrote stays"
    assert totals.ran_at == (NOW if task == "sweep" else None)

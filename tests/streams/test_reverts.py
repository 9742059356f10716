"""services.reverts: what an operator did can be taken back, and never over what another did since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry

from streams import services
from streams.models import StreamLimit
from streams.services.reverts import CannotRevert, limit_changes, revert_change
from tests.streams.factories import fill, make_group, make_row

Redis = redis_library.Redis
NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)


@pytest.fixture
def row(db: None, redis: Redis) -> StreamLimit:
    StreamLimit.objects.all().delete()
    return make_row()


def newest() -> int:
    return LogEntry.objects.order_by("-id").values_list("id", flat=True)[0]


def test_a_change_is_taken_back_and_that_is_a_change_too(row: StreamLimit, admin_user: Any) -> None:
    new = {"maxlen": 500, "trim_interval": timedelta(seconds=60), "max_age": timedelta(hours=6)}
    services.update_limit(row.pk, new, user_id=admin_user.pk, now=NOW)
    said = revert_change(newest(), user_id=admin_user.pk, now=NOW)
    row.refresh_from_db()
    assert (row.maxlen, row.trim_interval, row.max_age) == (1000, timedelta(seconds=30), None)
    assert said == "orders: maxlen, trim_interval, max_age as before."
    assert [change.what for change in limit_changes(row.pk)] == ["changed", "changed"]
    assert limit_changes(row.pk)[0].moves[0] == ("maxlen", 500, 1000)


def test_what_changed_again_since_is_left_alone(row: StreamLimit, admin_user: Any) -> None:
    services.update_limit(row.pk, {"maxlen": 500}, user_id=admin_user.pk, now=NOW)
    first = newest()
    services.update_limit(row.pk, {"maxlen": 400}, user_id=admin_user.pk, now=NOW)
    with pytest.raises(CannotRevert, match="maxlen of orders changed again"):
        revert_change(first, user_id=admin_user.pk, now=NOW)
    row.refresh_from_db()
    assert row.maxlen == 400


def test_a_deleted_limit_comes_back_whole(row: StreamLimit, admin_user: Any) -> None:
    before = {name: getattr(row, name) for name in services.EDITABLE}
    services.delete_limit(row.pk, user_id=admin_user.pk, now=NOW)
    revert_change(newest(), user_id=admin_user.pk, now=NOW)
    again = StreamLimit.objects.get()
    assert {name: getattr(again, name) for name in services.EDITABLE} == before


def test_an_added_limit_goes_again(row: StreamLimit, admin_user: Any) -> None:
    unsaved = StreamLimit(pattern="trades", maxlen=10, trim_threshold=10, hard_maxlen=30)
    unsaved.trim_interval = timedelta(seconds=30)
    services.create_limit(unsaved, user_id=admin_user.pk, now=NOW)
    revert_change(newest(), user_id=admin_user.pk, now=NOW)
    assert not StreamLimit.objects.filter(pattern="trades").exists()


def test_taking_back_asks_for_what_it_would_lose(row: StreamLimit, redis: Redis, admin_user: Any) -> None:
    """The limit was raised, a group fell behind under the higher one, and now it is to be as before."""
    services.update_limit(
        row.pk, {"maxlen": 5000, "trim_threshold": 5000, "hard_maxlen": 15_000}, user_id=admin_user.pk, now=NOW
    )
    fill(redis, "orders", 8000)
    make_group(redis, "orders", "slow")
    with pytest.raises(services.LossRefused, match="slow loses 5,000 unread"):
        revert_change(newest(), user_id=admin_user.pk, now=NOW)
    revert_change(newest(), user_id=admin_user.pk, now=NOW, accepted_loss=6000)
    row.refresh_from_db()
    assert row.hard_maxlen == 3000

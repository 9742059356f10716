"""services.previews at every door: a limit that takes unread entries is saved only by who agreed to lose that many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from streams import services
from streams.engine.loss import ANY_LOSS
from streams.models import StreamLimit
from tests.streams.factories import fill, make_group, make_row
from tradeul_ops.demo.servers import free_port

Redis = redis_library.Redis
NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
PAGE = {  # of the limit, cut to a tenth
    "pattern": "orders",
    "priority": 0,
    "maxlen": "100",
    "trim_threshold": "1200",
    "trim_interval": "30",
    "hard_maxlen": "3000",
    "approximate": "on",
    "enabled": "on",
    "note": "",
}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


@pytest.fixture
def unread(redis: Redis) -> StreamLimit:
    """1,000 entries that `pricing` has not read, under a limit that leaves them all."""
    fill(redis, "orders", 1000)
    make_group(redis, "orders", "pricing")
    return make_row(protect_groups=False)


def save(row: StreamLimit, *, accepted_loss: int = 0, **changes: Any) -> None:
    services.update_limit(row.pk, changes, user_id=None, now=NOW, accepted_loss=accepted_loss)  # type: ignore[arg-type]


def test_a_loss_is_refused_named_and_saved_by_who_agrees(unread: StreamLimit, redis: Redis, admin_user: Any) -> None:
    said = {"user_id": admin_user.pk, "now": NOW}
    with pytest.raises(services.LossRefused, match="Group pricing loses 900 unread entries") as refused:
        services.update_limit(unread.pk, {"maxlen": 100}, **said)
    unread.refresh_from_db()
    assert unread.maxlen == 1000 and not LogEntry.objects.exists()
    fill(redis, "orders", range(1001, 1051))  # meanwhile
    services.update_limit(unread.pk, {"maxlen": 100}, accepted_loss=refused.value.preview.consent, **said)
    unread.refresh_from_db()
    assert unread.maxlen == 100


def test_a_loss_that_grew_past_what_was_agreed_is_refused_again(unread: StreamLimit, redis: Redis) -> None:
    agreed = services.preview_limit(unread.pk, {"maxlen": 100}, now=NOW).consent
    fill(redis, "orders", range(1001, 1200))
    with pytest.raises(services.LossRefused, match="more than what was agreed to") as refused:
        save(unread, maxlen=100, accepted_loss=agreed)
    assert refused.value.preview.at_most == 1099


def test_what_loses_nothing_is_saved_in_one_step(unread: StreamLimit, redis: Redis, admin_user: Any) -> None:
    redis.xreadgroup("pricing", "c", {"orders": ">"}, count=1000, noack=True)
    services.update_limit(unread.pk, {"maxlen": 100}, user_id=admin_user.pk, now=NOW)
    unread.refresh_from_db()
    assert unread.maxlen == 100


def test_while_redis_is_away_only_what_can_lose_nothing_is_saved(
    unread: StreamLimit, settings: Any, admin_user: Any
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    said = {"user_id": admin_user.pk, "now": NOW}
    with pytest.raises(services.LossRefused, match="What this loses is unknown: Redis does not answer"):
        services.update_limit(unread.pk, {"maxlen": 100}, accepted_loss=10**6, **said)
    services.update_limit(unread.pk, {"maxlen": 1100, "note": "more"}, **said)
    services.update_limit(unread.pk, {"maxlen": 100}, accepted_loss=ANY_LOSS, **said)
    unread.refresh_from_db()
    assert (unread.maxlen, unread.note) == (100, "more")


def test_a_new_limit_asks_too(redis: Redis, admin_user: Any) -> None:
    fill(redis, "orders", 1000)
    make_group(redis, "orders", "pricing")
    row = StreamLimit(pattern="orders", maxlen=100, trim_threshold=120, protect_groups=False)
    row.trim_interval = timedelta(seconds=30)
    with pytest.raises(services.LossRefused):
        services.create_limit(row, user_id=admin_user.pk, now=NOW)
    services.create_limit(row, user_id=admin_user.pk, now=NOW, accepted_loss=900)
    assert StreamLimit.objects.get().maxlen == 100


def test_a_preview_changes_nothing_and_knows_the_rules(unread: StreamLimit, redis: Redis) -> None:
    assert services.preview_limit(unread.pk, {"maxlen": 100}, now=NOW).at_most == 900
    with pytest.raises(ValidationError, match="trim_threshold must be at least maxlen"):
        services.preview_limit(unread.pk, {"maxlen": 5000}, now=NOW)
    unread.refresh_from_db()
    assert (unread.maxlen, redis.xlen("orders")) == (1000, 1000)


# --- admin -----------------------------------------------------------------------------------------------------------


def test_admin_names_the_loss_and_takes_the_number(unread: StreamLimit, admin_client: Client) -> None:
    url = reverse("admin:streams_streamlimit_change", args=[unread.pk])
    refused = admin_client.post(url, PAGE)
    (message,) = refused.context["adminform"].form.errors["accepted_loss"]
    assert "Group pricing loses 900 unread entries" in message and "write 1000 here" in message
    assert admin_client.post(url, PAGE | {"accepted_loss": "1000"}).status_code == 302
    unread.refresh_from_db()
    assert unread.maxlen == 100


def test_admin_switches_on_nothing_that_loses(unread: StreamLimit, admin_client: Client) -> None:
    StreamLimit.objects.update(enabled=False, maxlen=100)
    chosen = {"action": "switch_on", "_selected_action": [unread.pk]}
    answer = admin_client.post(reverse("admin:streams_streamlimit_changelist"), chosen, follow=True)
    assert "Group pricing loses 900 unread entries" in answer.content.decode()
    unread.refresh_from_db()
    assert not unread.enabled


# --- the limit's page ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "said"),
    [("", "Not saved: first say whether this may be lost."), ("899", "Not saved: the loss grew meanwhile.")],
)
def test_a_refusal_says_whether_the_loss_grew_since_it_was_agreed_to(
    unread: StreamLimit, admin_client: Client, accepted: str, said: str
) -> None:
    answer = admin_client.post(reverse("streams:limit", args=[unread.pk]), PAGE | {"accepted_loss": accepted})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    unread.refresh_from_db()
    assert unread.maxlen == 1000

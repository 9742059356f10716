"""A session ends when nobody used it for a while, and twelve hours after its login, used or not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tradeul_ops.console.idle import USED_AT, WRITTEN_EVERY

POLL = {"HX-Request": "true", "HX-Trigger": "live"}
PAGE = "/findings/"


@pytest.fixture
def client(db: None, redis: object) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


def aged(client: Client, by: timedelta) -> float:
    """As if it had last been used so long before. When that was."""
    session = client.session
    session[USED_AT] -= by.total_seconds()
    session.save()
    return float(session[USED_AT])


def used_at(client: Client) -> float:
    return float(client.session[USED_AT])


def test_a_session_that_nobody_used_is_ended(client: Client, settings: Any) -> None:
    settings.SESSION_IDLE_AFTER = timedelta(minutes=30)
    aged(client, timedelta(minutes=29))
    assert client.get(PAGE).status_code == 200
    aged(client, timedelta(minutes=31))
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    answer = client.get(PAGE)
    assert answer.status_code == 302 and answer.headers["Location"].startswith("/login/")
    assert not Session.objects.filter(session_key=cookie).exists(), "ended on the server, not only in this browser"


def test_a_machine_with_an_idle_session_is_told_to_log_in(client: Client) -> None:
    aged(client, timedelta(hours=3))
    assert client.get("/api/v1/internal/memory-metrics").status_code == 401


def test_a_page_that_refreshes_itself_is_no_use(client: Client, settings: Any) -> None:
    """Else a screen that somebody left would stay logged in."""
    settings.SESSION_IDLE_AFTER = timedelta(minutes=30)
    before = aged(client, timedelta(minutes=20))
    assert client.get(PAGE, headers=POLL).status_code == 200
    assert used_at(client) == before
    assert client.get(PAGE).status_code == 200
    assert used_at(client) > before


def test_a_session_of_before_an_upgrade_goes_on(client: Client) -> None:
    session = client.session
    del session[USED_AT]
    session.save()
    assert client.get(PAGE).status_code == 200
    assert used_at(client) > 0


def test_use_is_written_once_a_minute(client: Client) -> None:
    before = aged(client, timedelta(seconds=WRITTEN_EVERY - 10))
    with CaptureQueriesContext(connection) as queries:
        client.get(PAGE)
    assert used_at(client) == before
    assert not [one for one in queries if one["sql"].startswith("UPDATE")]


def test_no_use_prolongs_the_twelve_hours(client: Client, settings: Any) -> None:
    ends = Session.objects.get().expire_date
    assert timedelta(hours=11, minutes=59) < ends - timezone.now() <= timedelta(hours=12)
    aged(client, timedelta(minutes=5))
    client.get(PAGE)
    assert Session.objects.get().expire_date == ends
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert client.get(PAGE).status_code == 302


def test_without_a_time_out_only_the_age_ends_it(client: Client, settings: Any) -> None:
    settings.SESSION_IDLE_AFTER = timedelta(0)
    aged(client, timedelta(hours=11))
    assert client.get(PAGE).status_code == 200


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'cannot execute DELETE in a read-only transaction' USING ERRCODE = '25006'; END $$;
CREATE TRIGGER refuse BEFORE DELETE OR UPDATE ON django_session FOR EACH ROW EXECUTE FUNCTION refuse()
"""


@pytest.mark.django_db(transaction=True)
def test_an_idle_session_is_refused_where_its_row_can_not_be_deleted(redis: object) -> None:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("ana"))
    aged(client, timedelta(hours=3))
    with connection.cursor() as cursor:
        cursor.execute(REFUSE)
        try:
            answer = client.get(PAGE)
        finally:
            cursor.execute("DROP FUNCTION refuse CASCADE")
    assert answer.status_code == 302 and answer.headers["Location"].startswith("/login/")

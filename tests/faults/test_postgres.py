"""PostgreSQL is away, locked, full, read-only, or without the extension that its tables need."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client

from streams import tasks
from streams.models import TrimRun
from tests.faults.conftest import as_only_database, killed, words
from tests.timescale.conftest import as_default
from tests.timescale.servers import SETTINGS, installed_postgres
from timescale import services as tables
from timescale.models import HypertablePolicy
from timescale.store.errors import TimescaleError
from tradeul_ops.demo.servers import PostgresServer, free_port

Redis = redis_library.Redis
Wait = Callable[..., None]


@pytest.fixture
def postgres(
    tmp_path: Path, redis: Redis, django_db_setup: None, django_db_blocker: object
) -> Iterator[PostgresServer]:
    with as_only_database(PostgresServer(tmp_path / "postgres", free_port()), django_db_blocker, redis) as own:
        yield own


@pytest.fixture
def operator(postgres: PostgresServer) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("operator"))
    return client


def said(client: Client, address: str = "/streams/") -> tuple[int, str]:
    answer = client.get(address)
    return answer.status_code, words(answer.content.decode())


def test_it_restarts(
    postgres: PostgresServer, operator: Client, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Says: “PostgreSQL does not answer since …”, with status 503 and Retry-After; open pages keep trying.
    Recovers: at the next request and the next sweep, without a restart of ours.
    Keeps: streams as they are; producers keep their limits.
    """
    assert said(operator)[0] == 200
    killed(postgres)
    status, text = said(operator)
    assert status == 503 and "PostgreSQL does not answer since" in text
    with caplog.at_level(logging.WARNING):
        tasks.enforce_limits()
    assert "trim what is due: not this time." in caplog.text
    assert redis.xlen("orders") == 2000
    postgres.start()
    connection.close_if_unusable_or_obsolete()
    assert said(operator)[0] == 200
    tasks.enforce_limits()
    assert redis.xlen("orders") <= 1099


def test_a_lock_is_held_by_another_session(
    postgres: PostgresServer, operator: Client, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Says: “PostgreSQL waits for a lock that somebody else holds”, after 10 s.
    Recovers: at the next request and the next sweep after the lock is gone.
    Keeps: the stream's turn: nothing is trimmed that could not be recorded.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("10s",)
        cursor.execute("SET lock_timeout = '200ms'")  # the test's patience is less
    with psycopg.connect(postgres.url) as other:
        other.execute("LOCK TABLE streams_stream, streams_streamlimit IN ACCESS EXCLUSIVE MODE")
        status, text = said(operator)
        assert status == 503 and "PostgreSQL waits for a lock that somebody else holds" in text
        with caplog.at_level(logging.WARNING):
            tasks.enforce_limits()
        assert "trim what is due: not this time." in caplog.text
        assert redis.xlen("orders") == 2000
    assert said(operator)[0] == 200
    tasks.enforce_limits()
    assert redis.xlen("orders") <= 1099


def test_it_takes_no_writes(
    postgres: PostgresServer, operator: Client, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Says: pages that only read as ever; at a login or an edit “PostgreSQL takes no writes, it is read-only or a
    standby”.
    Recovers: at the next request and the next sweep after it takes writes.
    Keeps: streams as they are: a trim that can't be recorded is not begun.
    """
    said(operator)
    read_only(postgres, "on")
    assert said(operator, "/hypertables/")[0] == 200
    answer = Client().post("/login/", {"username": "operator", "password": "wrong"})
    assert answer.status_code == 503
    assert "PostgreSQL takes no writes, it is read-only or a standby" in words(answer.content.decode())
    with caplog.at_level(logging.WARNING):
        tasks.enforce_limits()
        tasks.take_samples()
        tasks.discover_streams()
    assert caplog.text.count("not this time. cannot execute") >= 2
    assert redis.xlen("orders") == 2000 and not TrimRun.objects.exists()
    read_only(postgres, "off")
    tasks.enforce_limits()
    assert redis.xlen("orders") <= 1099


def read_only(postgres: PostgresServer, value: str) -> None:
    with psycopg.connect(postgres.url_of("postgres"), autocommit=True) as db:
        db.execute(f"ALTER DATABASE tradeul SET default_transaction_read_only = {value}")
    connection.close()


def test_its_disk_is_full(postgres: PostgresServer, operator: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Says: “PostgreSQL's disk is full”. (The server's own error, raised by a trigger: its disk is not really full.)
    Recovers: at the next sweep after there is room.
    Keeps: what was trimmed is recorded then: the record waits in the worker.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
            "'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER no_room BEFORE INSERT ON streams_trimrun FOR EACH ROW EXECUTE FUNCTION no_room()"
        )
    with caplog.at_level(logging.WARNING):
        tasks.enforce_limits()
    assert "not this time. could not extend file" in caplog.text
    assert not TrimRun.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER no_room ON streams_trimrun")
    tasks.enforce_limits()
    assert TrimRun.objects.get().trimmed >= 900, "it was trimmed, and is on record now"


@pytest.mark.community
@pytest.mark.parametrize("fault", ["not preloaded", "of another version"])
def test_the_extension_is_missing_or_of_another_version(
    tmp_path: Path, django_db_setup: None, django_db_blocker: object, fault: str
) -> None:
    """Says: on the overview that TimescaleDB could not be read, and why; the other panels as ever.
    Recovers: when the server is started with the library that the database was made with.
    Keeps: the policies; nothing is dropped meanwhile.
    """
    if not (installed := installed_postgres()):
        pytest.skip("no installed PostgreSQL offers TimescaleDB")
    server = PostgresServer(tmp_path / "timescale", free_port(), bin_path=installed[0], settings=SETTINGS)
    server.start()
    try:
        url = server.url
        with django_db_blocker.unblock(), as_default(url):  # type: ignore[attr-defined]
            call_command("migrate", verbosity=0)
            policies = HypertablePolicy.objects.count()
            connection.close()
            if fault == "not preloaded":
                server.stop()
                server.settings = {}
                server.start()
            else:
                with psycopg.connect(url, autocommit=True) as db:
                    db.execute("UPDATE pg_extension SET extversion = '2.0.0' WHERE extname = 'timescaledb'")
            with pytest.raises((TimescaleError, OperationalError)) as refused:
                tables.reconcile_policies()
            assert "timescaledb" in str(refused.value)
            connection.close()
            if fault == "not preloaded":
                server.stop()
                server.settings = SETTINGS
                server.start()
            else:
                with psycopg.connect(url, autocommit=True, options="-c timescaledb.disable_load=on") as db:
                    db.execute(
                        "UPDATE pg_extension SET extversion = (SELECT default_version FROM pg_available_extensions "
                        "WHERE name = 'timescaledb') WHERE extname = 'timescaledb'"
                    )
            assert HypertablePolicy.objects.count() == policies
            tables.reconcile_policies()

    finally:
        server.stop()

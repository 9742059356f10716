"""Databases on plain PostgreSQL and on both editions of TimescaleDB, each standing in for Django's default one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import environ
import psycopg
import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from tests.timescale.operating import QUOTED, run, sql
from tests.timescale.servers import new_database
from timescale.engine.edition import Edition
from timescale.operations import CreateExtension
from timescale.store import catalog

EDITIONS = [
    pytest.param("plain", id="plain"),
    pytest.param("apache", id="apache", marks=pytest.mark.apache),
    pytest.param("community", id="community", marks=pytest.mark.community),
]


@pytest.fixture(scope="session", params=EDITIONS)
def server_url(request) -> str:
    """Each edition in turn. `only_community` and `only_apache` below are for what one edition alone can do."""
    return request.getfixturevalue({"plain": "postgres_url"}.get(request.param, f"{request.param}_url"))


@pytest.fixture(scope="session", autouse=True)
def _the_usual_database_first(django_db_setup: None) -> None:
    """Made before any test puts another connection in the default one's place, or it would be made over there."""


@contextmanager
def as_default(url: str) -> Iterator[BaseDatabaseWrapper]:
    """Inside, Django's default connection is to `url`."""
    before = connections["default"]
    settings = {**before.settings_dict, **environ.Env.db_url_config(url), "CONN_MAX_AGE": None}
    own = load_backend(settings["ENGINE"]).DatabaseWrapper(settings, "default")
    connections["default"] = own
    try:
        yield own
    finally:
        own.close()
        connections["default"] = before


def migrate(*target: str) -> None:
    call_command("migrate", *target, verbosity=0, interactive=False)


def stop_workers(connection: BaseDatabaseWrapper) -> None:
    """On a server that is not ours, whose jobs would fire within seconds."""
    if catalog.read_detection(connection).installed:
        with connection.cursor() as cursor:
            cursor.execute("SELECT _timescaledb_functions.stop_background_workers()")


@pytest.fixture
def empty(server_url: str, django_db_blocker) -> Iterator[BaseDatabaseWrapper]:
    """A database without tables, as the default one."""
    with django_db_blocker.unblock(), new_database(server_url) as url, as_default(url) as connection:
        yield connection


@pytest.fixture
def empty_community(community_url: str, django_db_blocker) -> Iterator[BaseDatabaseWrapper]:
    """The same, of the Community edition alone."""
    with django_db_blocker.unblock(), new_database(community_url) as url, as_default(url) as connection:
        yield connection


@pytest.fixture
def table(empty) -> Edition:
    """A table with a few rows, on a database with the extension where there is one; the edition."""
    run(CreateExtension())
    sql(f"CREATE TABLE {QUOTED} (time timestamptz, symbol text, price numeric, PRIMARY KEY (time, symbol))")
    sql(
        f"INSERT INTO {QUOTED} SELECT '2026-03-10 12:00Z'::timestamptz + i * interval '10 s', 'AAPL', i "
        "FROM generate_series(0, 999) AS i"
    )
    return catalog.read_detection(empty).edition


@contextmanager
def migrated_database(url: str) -> Iterator[str]:
    with new_database(url) as own, as_default(own) as connection:
        for app in ("auth", "admin", "sessions", "axes"):  # users, the log of audit lines, logins and failed ones
            migrate(app)
        migrate("timescale")
        stop_workers(connection)
        connection.close()
        yield own


@pytest.fixture(scope="session")
def migrated_url(server_url: str, django_db_blocker) -> Iterator[str]:
    with django_db_blocker.unblock(), migrated_database(server_url) as url:
        yield url


@contextmanager
def rolled_back(url: str) -> Iterator[BaseDatabaseWrapper]:
    with as_default(url) as connection, transaction.atomic():
        yield connection
        transaction.set_rollback(True)


@pytest.fixture
def database(migrated_url: str, django_db_blocker) -> Iterator[BaseDatabaseWrapper]:
    """The migrated database of each edition in turn, as the default one; what a test does is rolled back."""
    with django_db_blocker.unblock(), rolled_back(migrated_url) as connection:
        yield connection


@pytest.fixture(scope="session")
def community_migrated_url(community_url: str, django_db_blocker) -> Iterator[str]:
    with django_db_blocker.unblock(), migrated_database(community_url) as url:
        yield url


@pytest.fixture
def community(community_migrated_url: str, django_db_blocker) -> Iterator[BaseDatabaseWrapper]:
    """The same, of the Community edition alone."""
    with django_db_blocker.unblock(), rolled_back(community_migrated_url) as connection:
        yield connection


@pytest.fixture
def own_community(community_url: str, community_migrated_url: str, django_db_blocker) -> Iterator[BaseDatabaseWrapper]:
    """A migrated one of the Community edition outside of a transaction: none refreshes an aggregate, nor commits."""
    copy = copied_database(community_url, community_migrated_url)
    with django_db_blocker.unblock(), copy as url, as_default(url) as connection:
        yield connection


@contextmanager
def copied_database(server: str, url: str) -> Iterator[str]:
    """A copy of the one at `url`, in a tenth of the time that its migrations take."""
    with ExitStack() as stack:
        try:
            own = stack.enter_context(new_database(server, template=urlsplit(url).path.lstrip("/")))
        except psycopg.errors.ObjectInUse:  # a server that is not ours: its scheduler has come back to the template
            own = stack.enter_context(migrated_database(server))
        yield own


@pytest.fixture
def edition(database: BaseDatabaseWrapper) -> Edition:
    return catalog.read_detection(database).edition

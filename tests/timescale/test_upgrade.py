"""A database that moves from plain PostgreSQL to Apache to Community, by a role that is no superuser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.utils import timezone

from tests.timescale.conftest import as_default, migrate
from tests.timescale.factories import copy_scans, scan
from tests.timescale.servers import SETTINGS, installed_postgres, new_database
from tests.timescale.standing import ask, build
from timescale.engine.edition import Edition
from timescale.services.adoption import plan_upgrade, upgrade
from timescale.store import catalog, shapes
from tradeul_ops.demo.servers import PostgresServer, free_port

ROLE = "limited"
MINUTES = "SELECT * FROM scan_results_1min ORDER BY bucket, symbol"
HOURS = "SELECT * FROM scan_results_1hour ORDER BY bucket, symbol"


@pytest.fixture
def server(tmp_path) -> Iterator[PostgresServer]:
    """A Community build of our own, to be started with one licence and then the other."""
    if not (installed := installed_postgres()):
        pytest.skip("no PostgreSQL on this machine offers TimescaleDB")
    server = PostgresServer(tmp_path, free_port(), bin_path=installed[0], settings={})
    yield server
    server.stop()


def restart(server: PostgresServer, licence: str) -> None:
    server.stop()
    server.settings = SETTINGS | {"timescaledb.license": licence}
    server.start()


def database_of(server: PostgresServer, role: str, database: str) -> str:
    parts = urlsplit(server.url)
    netloc = parts.netloc.replace("tradeul:", f"{role}:", 1)
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))


def aggregates_of() -> tuple[Edition, dict[str, bool]]:
    from django.db import connection

    seen = catalog.read_catalog(connection)
    return seen.edition, {name: view.continuous for name, view in seen.views.items() if name.startswith("scan_")}


@pytest.mark.community
def test_plain_to_apache_to_community(server, django_db_blocker):
    """Rows and aggregates say the same at each stop; a second upgrade finds nothing; jobs come with the last."""
    restart(server, "apache")
    with psycopg.connect(server.url, autocommit=True) as root:
        [[password]] = [[server.password_file.read_text()]]
        root.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'")
        root.execute("CREATE DATABASE moving")
        root.execute("REVOKE CREATE ON DATABASE moving FROM PUBLIC")
    with psycopg.connect(server.url_of("moving"), autocommit=True) as root:
        root.execute(f"GRANT ALL ON SCHEMA public TO {ROLE}")
    url = database_of(server, ROLE, "moving")
    views = ("scan_results_1min", "scan_results_1hour")

    with django_db_blocker.unblock():
        with as_default(url):
            migrate("timescale")
            now = timezone.now().replace(minute=30, second=0, microsecond=0)
            copy_scans(
                scan(now - timedelta(minutes=7 * i), symbol=f"S{s}", volume_today=10_000 - i)
                for i in range(1, 500)
                for s in range(3)
            )
            assert aggregates_of() == (Edition.NONE, dict.fromkeys(views, False))
            said = ask(MINUTES), ask(HOURS)
            assert plan_upgrade(now=now).changes == ()
        with psycopg.connect(server.url, autocommit=True) as root:
            root.execute(f"GRANT CREATE ON DATABASE moving TO {ROLE}")
        with as_default(url):
            plan = plan_upgrade(now=now)
            assert (plan.edition, plan.edition_to_be) == (Edition.NONE, Edition.APACHE)
            assert any(step.says.startswith("make it a hypertable, 1 h a chunk") for step in plan.steps)
            upgrade(now=now)
            assert aggregates_of() == (Edition.APACHE, dict.fromkeys(views, False))
            assert (ask(MINUTES), ask(HOURS)) == said
            assert upgrade(now=now).done == ()
        restart(server, "timescale")
        with as_default(url) as own:
            plan = plan_upgrade(now=now)
            assert plan.edition is Edition.COMMUNITY
            assert any("make the plain view a continuous aggregate of" in step.says for step in plan.steps)
            upgrade(now=now)
            assert aggregates_of() == (Edition.COMMUNITY, dict.fromkeys(views, True))
            assert (ask(MINUTES), ask(HOURS)) == said
            ask("ALTER MATERIALIZED VIEW scan_results_1min SET (timescaledb.materialized_only = true)")
            assert ask(MINUTES) == said[0], "all of it is materialized, not computed by the query"
            assert len(catalog.read_catalog(own).jobs) == 10
            assert upgrade(now=now).done == ("scan_results_1min: materialized_only is now false",)
            assert upgrade(now=now).done == ()


@pytest.mark.community
def test_a_standing_database_is_adopted_filled_and_bounded_in_one_go(community_url, django_db_blocker):
    with django_db_blocker.unblock(), new_database(community_url) as url, as_default(url) as own:
        build(Edition.COMMUNITY)
        old = ask("SELECT count(*) FROM scan_results_1min")
        upgrade(now=timezone.now())
        assert ask("SELECT count(*) FROM scan_results_1min_before") == old
        [(minutes, first)] = ask("SELECT sum(sample_count), min(bucket) FROM scan_results_1min")
        assert [(minutes, first)] == ask("SELECT count(*), date_trunc('minute', min(time)) FROM scan_results")
        seen = catalog.read_catalog(own)
        assert {job.after for job in seen.jobs_of("scan_results") if job.kind == "retention"} == {timedelta(days=10)}
        assert shapes.read_interval(own, "scan_results") == timedelta(hours=1)
        assert plan_upgrade(now=timezone.now()).changes == ()

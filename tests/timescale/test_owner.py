"""All of it as a role that owns its database and is no superuser: what a platform's own account usually is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from tests.timescale.conftest import as_default, migrate
from tests.timescale.factories import DAY, HOUR, copy_scans, scan
from tests.timescale.servers import new_database
from tests.timescale.standing import ask
from timescale import services
from timescale.engine.drift import State
from timescale.metrics import hypertables_summary
from timescale.models import HypertablePolicy
from timescale.services.adoption import upgrade
from timescale.services.verify import verify
from timescale.store import catalog


@contextmanager
def owned_database(server: str) -> Iterator[str]:
    """The address of a new one, with the owner's name in it."""
    role = f"owner_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as db:
        db.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'only-for-tests' NOSUPERUSER NOCREATEDB NOCREATEROLE")
        try:
            with new_database(server) as url:
                parts = urlsplit(url)
                db.execute(f"ALTER DATABASE {parts.path.lstrip('/')} OWNER TO {role}")
                where = f"{role}:only-for-tests@{parts.hostname}:{parts.port}"
                yield urlunsplit(parts._replace(netloc=where))
        finally:
            db.execute(f"DROP ROLE {role}")


@pytest.fixture
def owned(community_url, django_db_blocker):
    with django_db_blocker.unblock(), owned_database(community_url) as url, as_default(url) as database:
        yield database


def states() -> dict[str, State]:
    found = services.read_survey(catalog.read_catalog(connection))["scan_results"]
    return {str(aspect.kind): aspect.state for aspect in found}


@pytest.mark.community
def test_an_owner_who_is_no_superuser_can_do_all_of_it(owned):
    assert ask("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(False,)]
    migrate("timescale")
    assert catalog.read_detection(connection).edition == "community", "the extension is trusted: the owner made it"

    now = timezone.now().replace(second=0, microsecond=0)
    copy_scans(scan(now - hours * HOUR + n * timedelta(seconds=10)) for hours in (90, 30, 1) for n in range(200))
    upgrade(now=now)
    jobs = ask("SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_name IS NOT NULL ORDER BY 1")
    assert len(jobs) == 10
    for (job_id,) in jobs:
        ask(f"CALL run_job({job_id})")
    [(oldest, compressed)] = ask(
        "SELECT (SELECT min(time) FROM scan_results), count(*) FROM timescaledb_information.chunks "
        "WHERE hypertable_name = 'scan_results' AND is_compressed"
    )
    assert now - oldest < 2 * DAY
    assert compressed >= 1

    assert [check for check in verify() if check.ok is False] == []

    # A policy changed behind the console: seen, left alone, and applied again when asked.
    policy = HypertablePolicy.objects.get(table_name="scan_results")
    ask(
        "SELECT alter_job(job_id, schedule_interval => interval '7 hours') FROM timescaledb_information.jobs "
        "WHERE hypertable_name = 'scan_results' AND proc_name = 'policy_retention'"
    )
    services.reconcile_policies()
    assert states()["retention"] is State.CHANGED_IN_DATABASE
    services.apply_policy(policy.pk)
    assert set(states().values()) == {State.IN_SYNC}

    # What came late, and what every page reads.
    copy_scans([scan(now - 50 * HOUR, "LATE")])
    assert [one.view for one in services.refresh_missed(now=now)] == ["scan_results_1min"]
    summary = hypertables_summary(now=timezone.now())
    assert [row.why for row in summary.aggregates if row.condition != "within"] == []
    assert {row.table: row.bytes is not None for row in summary.rows} == dict.fromkeys(
        ("market_data_daily", "scan_results", "volume_slot_averages", "volume_slots"), True
    )
    [scans] = [row for row in summary.rows if row.table == "scan_results"]
    assert scans.saved_ratio is not None

"""A worker dies by kill -9 before any one of its statements, while it applies policies or drops rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection

from tests.faults.killed import every_step
from tests.timescale.conftest import as_default, migrated_database
from tests.timescale.factories import DAY, HOUR, at, copy_scans, scan
from timescale import services
from timescale.models import HypertablePolicy, RetentionRun, ScanResult
from timescale.store import catalog
from tradeul_ops.runs import Outcome

Wait = Callable[..., None]
NOW = at(15, 20)


@pytest.fixture
def community(community_url: str, django_db_setup: None, django_db_blocker: object) -> Iterator[None]:
    """A migrated database of the Community edition, as the default one."""
    with django_db_blocker.unblock(), migrated_database(community_url) as url, as_default(url):  # type: ignore[attr-defined]
        yield


@pytest.fixture
def plain(postgres_url: str, django_db_setup: None, django_db_blocker: object) -> Iterator[None]:
    """The same on plain PostgreSQL."""
    with django_db_blocker.unblock(), migrated_database(postgres_url) as url, as_default(url):  # type: ignore[attr-defined]
        yield


@pytest.mark.community
def test_a_worker_at_any_step_of_applying_a_policy(community: None, wait_until: Wait) -> None:
    """Says: the policy as pending, until it is applied.
    Recovers: at the next comparison, 60 s.
    Keeps: each setting as it was or as it is wanted; never two jobs of a kind, and never a bound below both.
    """
    row = HypertablePolicy.objects.filter(table_name="scan_results")
    old, new = (
        {"drop_after": 3 * DAY, "columnstore_after": 2 * HOUR},
        {"drop_after": 5 * DAY, "columnstore_after": 4 * HOUR},
    )

    def as_before() -> None:
        row.update(**old)
        wait_until(lambda: services.apply_policies() is not None and in_force() == says(old), "the old one is in force")
        row.update(**new)

    def in_force() -> dict[str, str]:
        return {job.kind: job.says.partition(",")[0] for job in jobs() if job.kind in ("retention", "columnstore")}

    def jobs() -> tuple[catalog.Job, ...]:
        return catalog.read_catalog(connection).jobs_of("scan_results")

    def says(policy: dict[str, timedelta]) -> dict[str, str]:
        days, hours = policy["drop_after"].days, int(policy["columnstore_after"].total_seconds()) // 3600
        return {"retention": f"after {days} days", "columnstore": f"after {hours} h"}

    seen = set()
    for step in every_step(services.reconcile_policies, before=as_before):
        found = in_force()
        assert all(found[kind] in (says(old)[kind], says(new)[kind]) for kind in says(old)), (step, found)
        assert max(Counter(job.kind for job in jobs()).values()) == 1, step
        seen.add(tuple(found.values()))
        wait_until(lambda: services.reconcile_policies() is not None and in_force() == says(new), f"applied {step}")
    assert len(seen) >= 2, "it died on both sides of the change"


def test_a_worker_at_any_step_of_dropping_rows(plain: None, wait_until: Wait) -> None:
    """Says: the run that went on, with the rows that it dropped itself.
    Recovers: at the next tick, 30 s.
    Keeps: every row within the bound.
    """

    def rows_of_four_days() -> None:
        ScanResult.objects.all().delete()
        RetentionRun.objects.all().delete()
        copy_scans(scan(NOW - n * 2 * HOUR) for n in range(48))

    within = 37  # three days, and the moment itself

    def dropped() -> bool:
        services.enforce_retention(now=NOW)
        return bool(ScanResult.objects.count() == within)

    HypertablePolicy.objects.exclude(table_name="scan_results").update(enabled=False)
    seen = set()
    for step in every_step(lambda: services.enforce_retention(now=NOW), before=rows_of_four_days):
        seen.add(ScanResult.objects.count())
        assert ScanResult.objects.filter(time__gte=NOW - 3 * DAY).count() == within, step
        wait_until(dropped, f"the rest is dropped {step}")
        assert not RetentionRun.objects.exclude(outcome=Outcome.DONE).exists(), step
    assert seen == {48, within}

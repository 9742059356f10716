"""A database that the platform's own scripts made, with rows, is migrated in place on each edition; nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tests.timescale.conftest import as_default, migrate, rolled_back
from tests.timescale.factories import DAY, HOUR
from tests.timescale.servers import new_database
from tests.timescale.standing import all_scans, ask, build, edition_here
from timescale.engine.adoption import Lock
from timescale.engine.edition import Edition
from timescale.models import HypertablePolicy, MarketDataDaily, ScanResult, VolumeSlotAverage
from timescale.services.adoption import Plan, plan_upgrade
from timescale.store import catalog, shapes
from timescale.store.errors import NotAdoptable

TABLES = ("volume_slots", "volume_slot_averages", "market_data_daily")


@dataclass
class Before:
    """What was read of the database before it was adopted."""

    edition: Edition
    scans: list[tuple]
    counts: dict[str, int]
    minutes: list[tuple] | None
    plan: Plan


def counts() -> dict[str, int]:
    return {table: ask(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


@pytest.fixture(scope="module")
def adopted_url(server_url: str, django_db_blocker) -> Iterator[tuple[str, Before]]:
    with django_db_blocker.unblock(), new_database(server_url) as url, as_default(url) as own:
        edition = edition_here()
        build(edition)
        minutes = ask("SELECT * FROM scan_results_1min ORDER BY 1, 2") if edition is Edition.COMMUNITY else None
        plan = plan_upgrade(now=timezone.now())
        before = Before(edition, all_scans(), counts(), minutes, plan)
        migrate("timescale")
        own.close()
        yield url, before


@pytest.fixture
def adopted(adopted_url, django_db_blocker) -> Iterator[Before]:
    """The adopted database of each edition in turn, as the default one; what a test does is rolled back."""
    url, before = adopted_url
    with django_db_blocker.unblock(), rolled_back(url):
        yield before


def test_every_row_is_still_there(adopted):
    assert all_scans() == adopted.scans
    assert counts() == adopted.counts
    assert ask("SELECT count(*) FROM scan_results_set_aside") == [(100,)]
    assert ScanResult.objects.count() == len(adopted.scans) - 100
    assert ask("SELECT company_name FROM ticker_metadata") == [("Apple Inc.",)]


def test_the_dry_run_said_each_step_its_lock_and_its_time(adopted):
    """And nothing it did not: a second one has nothing left but the jobs."""
    said = {(step.relation, step.says.split()[0]): step for step in adopted.plan.steps}
    key = said["scan_results", "make"]
    assert key.says.startswith("make (time, symbol, session) its primary key") or "hypertable" in key.says
    aside = said["scan_results", "move"]
    assert (aside.rows, aside.lock) == (100, Lock.ALL)
    assert aside.takes is not None and aside.takes > timedelta(0)
    kept = [step for step in adopted.plan.steps if not step.changes]
    assert any("symbol stays character varying(10), not text: " in step.says for step in kept)
    if adopted.edition is not Edition.NONE:
        assert "rewrite" in {word for relation, word in said if relation == "scan_results"}
    if adopted.edition is Edition.COMMUNITY:
        assert "renamed" not in said
        assert said["scan_results_1min", "rename"].says.startswith("rename the continuous aggregate of other columns")
    assert any(
        step.says == "add its policy: kept 10 days, not 3 days: its rows reach that far" for step in adopted.plan.steps
    )
    now = plan_upgrade(now=timezone.now())
    assert now.pending == ()
    assert [step for step in now.changes if step.lock is not Lock.NONE] == []


def test_the_models_work_on_what_stood(adopted):
    """Its views still answer, and what the models may leave empty may be empty."""
    first = ScanResult.objects.order_by("-time", "symbol").first()
    assert ScanResult.objects.get(pk=first.pk).price == first.price
    assert ask("SELECT count(*) FROM best_scores")[0][0] <= 4
    day = ask("SELECT current_date + 1")[0][0]
    MarketDataDaily.objects.create(trading_date=day, symbol="NEW", close=1)  # open, high and low unknown
    average = VolumeSlotAverage.objects.order_by("slot_number").first()
    assert average.date == average.updated_at.date()
    # A writer of the platform, which knows no date.
    ask("INSERT INTO volume_slot_averages (symbol, slot_number) VALUES ('S9', 1)")
    assert VolumeSlotAverage.objects.filter(symbol="S9", date__isnull=False).exists()


def test_chunks_become_what_policies_can_act_on(adopted):
    if adopted.edition is Edition.NONE:
        return
    widths = {table: shapes.read_interval(connection, table) for table in ("scan_results", *TABLES)}
    assert widths["scan_results"] == HOUR
    for table, width in widths.items():
        chunks = shapes.read_chunks(connection, table)
        # Narrower where the next chunk of an older, wider width would begin.
        assert chunks and max(chunk.end - chunk.start for chunk in chunks) <= width


def test_an_aggregate_of_other_columns_is_kept_beside(adopted):
    had = adopted.minutes
    assert [c.name for c in shapes.read_columns(connection, "scan_results_1min")][3:7] == [
        *("open_price", "high_price", "low_price", "close_price")
    ]
    if had is None:
        assert shapes.read_kind(connection, "scan_results_1min_before") is None
        return
    assert had and ask("SELECT * FROM scan_results_1min_before ORDER BY 1, 2") == had
    jobs = catalog.read_catalog(connection).jobs
    assert not [job for job in jobs if job.kind == "refresh"], "the old refresh would erase what raw rows no longer say"
    assert [job.after for job in jobs if job.relation == "scan_results_1min_before"] == [30 * DAY]


def test_no_retention_is_shortened(adopted):
    """Rows reach nine days back: the first policy keeps them, whatever the guide's three days say."""
    kept = dict(HypertablePolicy.objects.values_list("table_name", "drop_after"))
    assert kept["scan_results"] == 10 * DAY
    assert kept["volume_slots"] >= 21 * DAY
    assert kept["market_data_daily"] == 90 * DAY
    for policy in HypertablePolicy.objects.all():
        policy.full_clean()


def test_an_index_of_the_same_columns_is_renamed(adopted):
    names = {index.name for index in shapes.read_indexes(connection, "scan_results")}
    assert {"scan_results_symbol", "scan_results_session", "idx_scan_results_session"} <= names
    assert "idx_scan_results_symbol_time" not in names


def test_going_back_to_zero_leaves_what_stood(empty):
    """And forwards again finds nothing to change."""
    build(edition_here())
    before = all_scans()
    migrate("timescale")
    migrate("timescale", "zero")
    assert all_scans() == before
    migrate("timescale")
    assert all_scans() == before


def test_a_table_that_cannot_become_ours_is_refused_whole(empty):
    """Nothing is changed, and the message names the table and the column."""
    ask("CREATE TABLE scan_results (time timestamptz NOT NULL, symbol bytea NOT NULL, session text NOT NULL)")
    with pytest.raises(NotAdoptable, match=r"scan_results: .*symbol is bytea, not text"):
        migrate("timescale")
    assert [column.type for column in shapes.read_columns(connection, "scan_results")][1] == "bytea"
    assert shapes.read_kind(connection, "market_data_daily") is None

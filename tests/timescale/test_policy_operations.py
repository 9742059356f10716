"""Policies and indexes as migration operations, for other projects: there and back twice, on each edition."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, models
from django.db.migrations import CreateModel
from django.db.migrations.state import ProjectState

from tests.timescale.operating import HOUR, QUOTED, TABLE, printed, run, sql, there_and_back
from timescale.engine.drift import Kind
from timescale.engine.edition import Edition
from timescale.operations import (
    AddColumnstorePolicy,
    AddContinuousAggregatePolicy,
    AddHypertableIndex,
    AddRetentionPolicy,
    CreateContinuousAggregate,
    CreateHypertable,
    EnableColumnstore,
    Max,
    RewriteWideChunks,
)
from timescale.store import catalog, shapes

DAY = 24 * HOUR
AGGREGATE = CreateContinuousAggregate(
    "per minute", source=TABLE, width=timedelta(minutes=1), columns={"high": Max("price")}
)
POLICIES = {
    Kind.COLUMNSTORE: AddColumnstorePolicy(TABLE, after=2 * HOUR, schedule_interval=HOUR),
    Kind.RETENTION: AddRetentionPolicy(TABLE, drop_after=3 * DAY, schedule_interval=HOUR, first_run_after=DAY),
    Kind.REFRESH: AddContinuousAggregatePolicy(
        "per minute", start_offset=HOUR, end_offset=timedelta(0), schedule_interval=HOUR
    ),
}


def jobs() -> list[tuple]:
    """Without their ids: a replaced job has a new one."""
    seen = catalog.read_catalog(connection)
    return [(job.relation, job.kind, job.after, job.start_offset, job.schedule_interval) for job in seen.jobs]


@pytest.mark.parametrize("kind", POLICIES)
def test_policies_go_forth_and_back(table, kind):
    run(CreateHypertable(TABLE, "time", HOUR))
    run(EnableColumnstore(TABLE, segmentby="symbol", orderby="time DESC"))
    run(AGGREGATE)
    operation = POLICIES[kind]
    there, back = there_and_back(operation, jobs)
    assert back == []
    if table is not Edition.COMMUNITY:
        assert there == []
        assert f"-- for edition: {table} (policies need the Community edition)" in printed(operation)
        return
    [job] = there
    assert job[:2] == (operation.relation, kind)
    assert " => '" in printed(operation)
    assert "remove_" in printed(operation, backwards=True)


def test_a_policy_with_other_values_is_replaced(table):
    """The server's own if_not_exists would keep the old one."""
    if table is not Edition.COMMUNITY:
        return
    run(CreateHypertable(TABLE, "time", HOUR))
    run(AddRetentionPolicy(TABLE, drop_after=7 * DAY, schedule_interval=DAY))
    first = [job.job_id for job in catalog.read_catalog(connection).jobs]
    run(AddRetentionPolicy(TABLE, drop_after=7 * DAY, schedule_interval=DAY))
    assert [job.job_id for job in catalog.read_catalog(connection).jobs] == first, "equal: left alone"
    run(AddRetentionPolicy(TABLE, drop_after=3 * DAY, schedule_interval=HOUR))
    assert [job[2] for job in jobs()] == [3 * DAY]


def test_what_the_server_would_take_and_should_not_is_refused():
    with pytest.raises(ValueError, match="ticks: drop_after must be positive"):
        AddRetentionPolicy("ticks", drop_after=-DAY, schedule_interval=HOUR)
    with pytest.raises(ValueError, match="ticks: schedule_interval must be positive"):
        AddColumnstorePolicy("ticks", after=HOUR, schedule_interval=timedelta(0))
    with pytest.raises(ValueError, match="end_offset must lie between"):
        AddContinuousAggregatePolicy("v", start_offset=HOUR, end_offset=2 * HOUR, schedule_interval=HOUR)


def test_wide_chunks_are_rewritten_with_all_their_rows(table):
    run(CreateHypertable(TABLE, "time", DAY))
    before = sql(f"SELECT * FROM {QUOTED} ORDER BY time")
    operation = RewriteWideChunks(TABLE, "time", HOUR)
    chunks, same = there_and_back(operation, lambda: len(shapes.read_chunks(connection, TABLE)))
    assert chunks == same == (0 if table is Edition.NONE else 3)
    assert sql(f"SELECT * FROM {QUOTED} ORDER BY time") == before


# --- indexes ---------------------------------------------------------------------------------------------------------
INDEX = AddHypertableIndex("Tick", models.Index(fields=["symbol", "-time"], name="ticks_symbol"))


TICKS = "Odd ticks"  # Django quotes a name for its models, but no quote in a name


@pytest.fixture
def state(table) -> ProjectState:
    sql(f'ALTER TABLE {QUOTED} RENAME TO "{TICKS}"')
    run(CreateHypertable(TICKS, "time", HOUR))
    fields = [("time", models.DateTimeField(primary_key=True)), ("symbol", models.TextField())]
    state = ProjectState()
    CreateModel("Tick", fields, options={"db_table": TICKS}).state_forwards("timescale", state)
    INDEX.state_forwards("timescale", state)
    return state


def indexes() -> list[tuple[str, bool]]:
    return [(index.name, index.valid) for index in shapes.read_indexes(connection, TICKS) if "pkey" not in index.name]


@pytest.mark.parametrize("atomic", [True, False])
def test_index_goes_forth_and_back(state, atomic):
    """Outside a transaction: chunk by chunk on a hypertable, concurrently on any other table."""
    for backwards, found in ((False, [("ticks_symbol", True)]), (True, [])):
        for _ in range(2):
            run(INDEX, backwards=backwards, state=state, atomic=atomic)
            assert indexes() == found


def test_index_of_the_same_columns_is_renamed(state):
    sql(f'CREATE INDEX idx_old ON "{TICKS}" (symbol, time DESC)')
    sql(f'CREATE INDEX idx_other ON "{TICKS}" (symbol, time)')
    run(INDEX, state=state)
    assert indexes() == [("idx_other", True), ("ticks_symbol", True)]


def test_index_that_an_interruption_left_invalid_is_built_again(state):
    run(INDEX, state=state)
    sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ticks_symbol'::regclass")
    run(INDEX, state=state)
    assert indexes() == [("ticks_symbol", True)]

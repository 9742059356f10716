"""Each operation on each edition: forwards twice, backwards twice, on names that need quoting."""

from __future__ import annotations

import datetime
from datetime import timedelta

import pytest
from django.db import connection, connections, migrations
from django.db.backends.sqlite3.base import DatabaseWrapper as Sqlite
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import OperationWriter

import timescale.operations
from tests.timescale.operating import HOUR, QUOTED, TABLE, run, sql, there_and_back
from timescale.engine.edition import Edition
from timescale.operations import (
    AddColumnstorePolicy,
    AddContinuousAggregatePolicy,
    AddRetentionPolicy,
    Count,
    CreateContinuousAggregate,
    CreateExtension,
    CreateHypertable,
    EnableColumnstore,
    First,
    Last,
    Max,
    Min,
    RewriteWideChunks,
    SetChunkTimeInterval,
    SetStorageParameters,
    Sum,
)
from timescale.store import catalog

AGGREGATE = CreateContinuousAggregate(
    "per minute",
    source=TABLE,
    width=timedelta(minutes=1),
    group_by=("symbol",),
    columns={"open": First("price"), "close": Last("price"), "high": Max("price"), "low": Min("price")}
    | {"total": Sum("price"), "rows": Count(), "known": Count("price", cast="integer")},
    chunk_time_interval=timedelta(days=1),
)


def hypertable() -> catalog.Hypertable | None:
    return catalog.read_catalog(connection).hypertables.get(TABLE)


def test_extension_is_made_where_it_can_be_and_stays(empty):
    can = catalog.read_detection(empty).can_install
    forwards, backwards = there_and_back(CreateExtension(), lambda: catalog.read_detection(empty).installed is not None)
    assert (forwards, backwards) == (can, can)


def test_hypertable_keeps_its_rows_in_chunks(table):
    there_and_back(CreateHypertable(TABLE, "time", HOUR), lambda: sql(f"SELECT count(*), sum(price) FROM {QUOTED}"))
    assert sql(f"SELECT count(*) FROM {QUOTED}") == [(1000,)]
    if table is not Edition.NONE:
        assert (hypertable().chunk_time_interval, hypertable().chunks) == (HOUR, 3)
        indexes = sql(f"SELECT count(*) FROM pg_index WHERE indrelid = '{QUOTED}'::regclass")
        assert indexes == [(1,)]  # the primary key's, and no second one on the time


def test_chunk_time_interval_goes_forth_and_back(table):
    run(CreateHypertable(TABLE, "time", HOUR))
    operation = SetChunkTimeInterval(TABLE, 4 * HOUR, previous=HOUR)
    widths = there_and_back(operation, lambda: hypertable() and hypertable().chunk_time_interval)
    assert widths == ((None, None) if table is Edition.NONE else (4 * HOUR, HOUR))


def test_chunk_time_interval_without_a_previous_one_is_not_reversible(table):
    operation = SetChunkTimeInterval(TABLE, HOUR)
    assert operation.reversible is False
    with pytest.raises(NotImplementedError, match="previous"):
        run(operation, backwards=True)


def test_columnstore_goes_forth_and_back_over_compressed_chunks(table):
    run(CreateHypertable(TABLE, "time", HOUR))
    operation = EnableColumnstore(TABLE, segmentby="symbol", orderby="time DESC")
    run(operation)
    if table is Edition.COMMUNITY:
        sql(f"SELECT compress_chunk(c) FROM show_chunks('{QUOTED}') c")
        sql(f"CALL add_columnstore_policy('{QUOTED}', after => interval '2 hours')")
        assert hypertable().compressed_chunks == 3
    on, off = there_and_back(operation, lambda: hypertable() and hypertable().columnstore)
    assert (on, off) == {Edition.NONE: (None, None), Edition.APACHE: (False, False), Edition.COMMUNITY: (True, False)}[
        table
    ]
    assert sql(f"SELECT count(*) FROM {QUOTED}") == [(1000,)]
    assert catalog.read_catalog(connection).jobs == ()


def test_storage_parameters_reach_the_chunks_and_are_reset(table):
    run(CreateHypertable(TABLE, "time", HOUR))
    operation = SetStorageParameters(TABLE, {"autovacuum_vacuum_scale_factor": 0.02, "fillfactor": 90})
    options = "SELECT count(*) FROM pg_class WHERE reloptions @> '{autovacuum_vacuum_scale_factor=0.02,fillfactor=90}'"
    there, back = there_and_back(operation, lambda: sql(options))
    assert (there, back) == ([(1 if table is Edition.NONE else 4,)], [(0,)])


def test_aggregate_goes_forth_and_back(table):
    run(CreateHypertable(TABLE, "time", HOUR))

    def rows():
        return catalog.read_view(connection, "per minute") and sql('SELECT * FROM "per minute" ORDER BY bucket')

    there, back = there_and_back(AGGREGATE, rows)
    assert back is None
    assert len(there) == 167
    assert there[0][2:] == (0, 5, 5, 0, 15, 6, 6)
    assert there[-1][2:] == (996, 999, 999, 996, 3990, 4, 4)


def test_aggregate_takes_the_place_of_a_plain_view(table):
    """A database that was migrated on another edition has a plain view under the name."""
    run(CreateHypertable(TABLE, "time", HOUR))
    with connection.cursor() as cursor:
        cursor.execute('CREATE VIEW "per minute" AS ' + AGGREGATE.select(table).as_string(None))
    run(AGGREGATE)
    assert catalog.read_view(connection, "per minute").continuous is (table is Edition.COMMUNITY)


def test_first_and_last_pass_over_unknown_values(table):
    run(CreateHypertable(TABLE, "time", HOUR))
    sql(f"UPDATE {QUOTED} SET price = NULL WHERE price IN (0, 5)")
    run(AGGREGATE)
    [first, *_] = sql('SELECT * FROM "per minute" ORDER BY bucket')
    assert first[2:] == (1, 4, 4, 1, 10, 6, 4)


OPERATIONS = [
    (CreateExtension(), "Create the extension timescaledb where the server offers it"),
    (CreateHypertable("ticks", "time", HOUR), "Make ticks a hypertable on time, 1 h a chunk"),
    (SetChunkTimeInterval("ticks", 4 * HOUR, previous=HOUR), "Make new chunks of ticks 4 h wide"),
    (EnableColumnstore("ticks", segmentby="symbol", orderby="time DESC"), "Enable the columnstore of ticks"),
    (SetStorageParameters("ticks", {"fillfactor": 90}), "Set fillfactor of ticks"),
    (RewriteWideChunks("ticks", "time", HOUR), "Rewrite chunks of ticks that are wider than 1 h"),
    (
        AddColumnstorePolicy("ticks", after=2 * HOUR, schedule_interval=HOUR),
        "Compress ticks after 2 h, every 1 h",
    ),
    (AddRetentionPolicy("ticks", drop_after=72 * HOUR, schedule_interval=HOUR), "Drop ticks after 3 days, every 1 h"),
    (
        AddContinuousAggregatePolicy(
            "per minute", start_offset=HOUR, end_offset=timedelta(seconds=30), schedule_interval=HOUR
        ),
        "Refresh per minute from 1 h to 30 s back, every 1 h",
    ),
    (AGGREGATE, 'Create per minute: Odd "ticks" by 1 min'),
]


@pytest.mark.parametrize(("operation", "text"), OPERATIONS, ids=lambda value: type(value).__name__)
def test_operations_describe_and_write_themselves(operation, text):
    """As `migrate --plan` shows them and `squashmigrations` writes them."""
    assert operation.describe() == text
    assert operation.migration_name_fragment
    written, imports = OperationWriter(operation).serialize()
    names = dict(vars(timescale.operations), datetime=datetime, timescale=timescale)
    [again] = eval(f"[{written}]", names)
    assert _values(again) == _values(operation)
    assert any(line.startswith("import timescale.operations") for line in imports)


def _values(operation) -> dict:
    return {name: value for name, value in vars(operation).items() if name != "_constructor_args"}


def test_operations_leave_other_databases_alone(django_db_blocker):
    """A project may have SQLite beside: every operation does nothing there."""
    sqlite = Sqlite({**connections.settings["default"], "NAME": ":memory:", "OPTIONS": {}}, "other")
    with django_db_blocker.unblock(), sqlite.schema_editor(collect_sql=True, atomic=False) as editor:
        for operation, _ in OPERATIONS:
            operation.database_forwards("timescale", editor, ProjectState(), ProjectState())
            operation.database_backwards("timescale", editor, ProjectState(), ProjectState())
    assert editor.collected_sql == []


def test_operations_belong_to_migrations():
    assert all(isinstance(operation, migrations.operations.base.Operation) for operation, _ in OPERATIONS)

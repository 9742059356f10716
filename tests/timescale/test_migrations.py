"""The migrations on each edition: there and back twice, and what they leave."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.migrations.executor import MigrationExecutor

from tests.timescale.conftest import migrate, stop_workers
from timescale.engine.edition import Edition
from timescale.models import AggregatePolicy, HypertablePolicy
from timescale.store import catalog

RELATIONS = """
SELECT c.relname, c.relkind::text, c.reloptions,
       (SELECT array_agg(concat(a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull) ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
       CASE c.relkind WHEN 'i' THEN pg_get_indexdef(c.oid) END
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'django_migrations'
  AND c.relname NOT LIKE 'django_migrations%' ORDER BY 1
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE 'django_migrations' ORDER BY 1, 2
"""
TIMESCALE = [
    "SELECT hypertable_name, compression_enabled, num_chunks FROM timescaledb_information.hypertables "
    "WHERE hypertable_schema = 'public' ORDER BY 1",
    "SELECT hypertable_name, column_name, time_interval FROM timescaledb_information.dimensions "
    "WHERE hypertable_schema = 'public' ORDER BY 1",
    "SELECT hypertable::text, segmentby, orderby FROM timescaledb_information.hypertable_columnstore_settings "
    "WHERE hypertable::text NOT LIKE '%materialized%' ORDER BY 1",
    "SELECT view_name, materialized_only FROM timescaledb_information.continuous_aggregates ORDER BY 1",
    "SELECT count(*) FROM timescaledb_information.jobs WHERE hypertable_name IS NOT NULL",
]


def read_everything(connection):
    """The schema as PostgreSQL and TimescaleDB tell it, without numbers that a second creation changes."""
    queries = [RELATIONS, CONSTRAINTS]
    if catalog.read_detection(connection).installed:
        queries += TIMESCALE
    with connection.cursor() as cursor:
        answers = []
        for query in queries:
            cursor.execute(query)
            answers.append(cursor.fetchall())
        return answers


def test_zero_to_head_twice_leaves_the_same_catalogue(empty):
    seen = []
    for _ in range(2):
        migrate("timescale")
        stop_workers(empty)
        seen.append(read_everything(empty))
        migrate("timescale", "zero")
        seen.append(read_everything(empty))
    head, zero, head_again, zero_again = seen
    assert head == head_again
    assert zero == zero_again
    assert zero[0] == [] and len(head[0]) > 20


def test_each_migration_is_atomic_and_stops_in_between(empty):
    """One step at a time, forwards and backwards: nothing needs two of them in one go."""
    names = ["0001", "0002", "0003", "0004"]
    for name in [*names, *reversed(names[:-1])]:
        migrate("timescale", name)
    executor = MigrationExecutor(empty)
    assert all(m.atomic for (app, _), m in executor.loader.disk_migrations.items() if app == "timescale")


def test_models_and_migrations_agree(database):
    call_command("makemigrations", "timescale", check=True, dry_run=True, verbosity=0)


def test_tables_become_what_the_edition_can_make_of_them(database, edition):
    seen = catalog.read_catalog(database)
    assert seen.jobs == ()  # jobs follow from rows, never from a migration
    views = {name: view.continuous for name, view in seen.views.items() if name.startswith("scan_results_1")}
    assert views == dict.fromkeys(("scan_results_1min", "scan_results_1hour"), edition is Edition.COMMUNITY)
    widths = {name: table.chunk_time_interval for name, table in seen.hypertables.items()}
    if edition is Edition.NONE:
        assert widths == {}
        return
    tables = {
        "scan_results": timedelta(hours=1),
        "volume_slots": timedelta(days=1),
        "volume_slot_averages": timedelta(days=7),
        "market_data_daily": timedelta(days=7),
    }
    assert widths == tables
    compressible = {name for name, table in seen.hypertables.items() if table.columnstore}
    assert compressible == ({"scan_results", "volume_slots"} if edition is Edition.COMMUNITY else set())


@pytest.mark.community
def test_aggregates_have_chunks_of_their_own_width(community):
    with community.cursor() as cursor:
        cursor.execute(
            "SELECT a.view_name, d.time_interval FROM timescaledb_information.continuous_aggregates a "
            "JOIN timescaledb_information.dimensions d ON d.hypertable_name = a.materialization_hypertable_name"
        )
        assert dict(cursor.fetchall()) == {
            "scan_results_1min": timedelta(days=1),
            "scan_results_1hour": timedelta(days=7),
        }


def test_first_policies_keep_their_own_rules(database):
    """One row a table and one an aggregate, each of them valid as a form would check it."""
    for row in (*HypertablePolicy.objects.all(), *AggregatePolicy.objects.all()):
        row.full_clean()
    assert HypertablePolicy.objects.count() == 4
    assert AggregatePolicy.objects.count() == 2


def test_going_back_over_the_policies_keeps_what_an_operator_changed(empty):
    migrate("timescale")
    HypertablePolicy.objects.filter(table_name="scan_results").update(drop_after=timedelta(days=2))
    migrate("timescale", "0003")
    migrate("timescale", "0004")
    assert HypertablePolicy.objects.get(table_name="scan_results").drop_after == timedelta(days=2)
    assert HypertablePolicy.objects.count() == 4


@pytest.mark.parametrize("migration", ["0002", "0003"])
def test_sqlmigrate_prints_the_statements_of_an_edition(empty, capsys, migration):
    """Before anything was migrated: what it prints is what would run."""
    call_command("sqlmigrate", "timescale", migration)
    printed = capsys.readouterr().out
    call_command("sqlmigrate", "timescale", migration, backwards=True)
    reverse = capsys.readouterr().out
    to_be = catalog.read_detection(empty).edition_to_be
    assert f"-- for edition: {to_be}" in printed
    expected = {
        (Edition.NONE, "0002"): ('SET ("autovacuum_vacuum_scale_factor" = 0.05', 'RESET ("autovacuum'),
        (Edition.NONE, "0003"): ("date_bin('0:01:00'::interval, \"time\"", 'DROP VIEW IF EXISTS "scan_results_1min"'),
        (Edition.APACHE, "0002"): ("SELECT create_hypertable('\"scan_results\"'", 'RESET ("autovacuum'),
        (Edition.APACHE, "0003"): ('CREATE OR REPLACE VIEW "scan_results_1min" AS SELECT time_bucket(', "DROP VIEW IF"),
        (Edition.COMMUNITY, "0002"): ("timescaledb.enable_columnstore = true", "CALL remove_columnstore_policy("),
        (Edition.COMMUNITY, "0003"): ("WITH NO DATA;", 'DROP MATERIALIZED VIEW IF EXISTS "scan_results_1hour"'),
    }
    forwards, backwards = expected[to_be, migration]
    assert forwards in printed
    assert backwards in reverse
    assert not catalog.read_catalog(empty).views.keys() & {"scan_results_1min"}  # nothing was run

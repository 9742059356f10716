"""The first policies, as rows. TimescaleDB's jobs follow from them: `timescale apply` makes them, or the next minute.

A job made here would run within seconds of the commit, in a test database too. A table that stood before is kept as
long as it was: to shorten that is an operator's decision, with what it drops before his eyes.
"""

from datetime import timedelta

from django.db import migrations

from timescale.operations import Step, spell, standing_bound

TABLES = {
    "scan_results": {
        "time_column": "time",
        "chunk_time_interval": timedelta(hours=1),
        "drop_after": timedelta(days=3),
        "retention_schedule_interval": timedelta(hours=1),
        "columnstore_after": timedelta(hours=2),
        "columnstore_schedule_interval": timedelta(minutes=30),
        "segmentby": "symbol,session",
        "orderby": "time DESC",
    },
    "volume_slots": {
        "time_column": "date",
        "time_is_date": True,
        "chunk_time_interval": timedelta(days=1),
        "drop_after": timedelta(days=14),
        "retention_schedule_interval": timedelta(hours=6),
        "columnstore_after": timedelta(hours=6),
        "columnstore_schedule_interval": timedelta(hours=6),
        "segmentby": "symbol",
        "orderby": "date DESC, slot_number DESC",
    },
    "volume_slot_averages": {
        "time_column": "date",
        "time_is_date": True,
        "chunk_time_interval": timedelta(days=7),
        "drop_after": timedelta(days=14),
        "retention_schedule_interval": timedelta(hours=6),
    },
    "market_data_daily": {
        "time_column": "trading_date",
        "time_is_date": True,
        "chunk_time_interval": timedelta(days=7),
        "drop_after": timedelta(days=90),
        "retention_schedule_interval": timedelta(days=1),
    },
}
AGGREGATES = {
    "scan_results_1min": {
        "source": "scan_results",
        "bucket_width": timedelta(minutes=1),
        "start_offset": timedelta(hours=1),
        "end_offset": timedelta(seconds=30),
        "schedule_interval": timedelta(seconds=30),
        "drop_after": timedelta(days=30),
    },
    "scan_results_1hour": {
        "source": "scan_results_1min",
        "bucket_width": timedelta(hours=1),
        "start_offset": timedelta(days=7),
        "end_offset": timedelta(hours=1),
        "schedule_interval": timedelta(hours=1),
        "drop_after": timedelta(days=180),
    },
}


def bound(connection, table, policy):
    return standing_bound(connection, table, time_column=policy["time_column"], default=policy["drop_after"])


def add_policies(apps, schema_editor):
    database = schema_editor.connection.alias
    for table, policy in TABLES.items():
        first = policy | {"drop_after": bound(schema_editor.connection, table, policy)}
        apps.get_model("timescale", "HypertablePolicy").objects.using(database).get_or_create(first, table_name=table)
    for view, policy in AGGREGATES.items():
        apps.get_model("timescale", "AggregatePolicy").objects.using(database).get_or_create(policy, view_name=view)


class AddFirstPolicies(migrations.RunPython):
    """RunPython that a dry run can tell of."""

    def steps(self, target, *, app_label, state):
        for table, policy in TABLES.items():
            kept = bound(target.connection, table, policy)
            longer = f", not {spell(policy['drop_after'])}: its rows reach that far" * (kept > policy["drop_after"])
            yield Step(table, f"add its policy: kept {spell(kept)}{longer}")
        for view, policy in AGGREGATES.items():
            yield Step(view, f"add its policy: kept {spell(policy['drop_after'])}")


class Migration(migrations.Migration):
    dependencies = [("timescale", "0003_aggregates")]

    # Backwards the rows stay, with what an operator changed in them; they go with their tables.
    operations = [AddFirstPolicies(add_policies, migrations.RunPython.noop)]

"""The first policies, as rows. TimescaleDB's jobs follow from them: `timescale apply` makes them, or the next minute.

A job made here would run within seconds of the commit, in a test database too. A table that stood before is kept as
long as it was: to shorten that is an operator's decision, with what it drops before his eyes.
"""

from datetime import timedelta

from django.db import migrations

from timescale.operations import standing_bound

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


def add_policies(apps, schema_editor):
    database = schema_editor.connection.alias
    for table, policy in TABLES.items():
        kept = standing_bound(
            schema_editor.connection, table, time_column=policy["time_column"], default=policy["drop_after"]
        )
        policy = policy | {"drop_after": kept}
        apps.get_model("timescale", "HypertablePolicy").objects.using(database).get_or_create(policy, table_name=table)
    for view, policy in AGGREGATES.items():
        apps.get_model("timescale", "AggregatePolicy").objects.using(database).get_or_create(policy, view_name=view)


class Migration(migrations.Migration):
    dependencies = [("timescale", "0003_aggregates")]

    # Backwards the rows stay, with what an operator changed in them; they go with their tables.
    operations = [migrations.RunPython(add_policies, migrations.RunPython.noop)]

"""The tables; one that the platform has made already is adopted, with its rows. What bounds them comes after.

0002 makes them hypertables, 0003 their aggregates, 0004 gives each its policy.
"""

from datetime import timedelta

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.expressions
from django.db import migrations, models

from timescale.operations import CreateOrAdoptModel


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="RetentionRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("done", "done"),
                            ("nothing", "nothing to do"),
                            ("partial", "stopped before its end"),
                            ("failed", "failed"),
                        ],
                        max_length=8,
                    ),
                ),
                ("detail", models.TextField(blank=True)),
                ("table_name", models.CharField(db_index=True, max_length=63)),
                ("rows_dropped", models.BigIntegerField(default=0)),
                ("chunks_dropped", models.IntegerField(default=0)),
                ("enforced_by", models.CharField(max_length=30)),
            ],
            options={
                "ordering": ("-id",),
                "get_latest_by": "id",
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="AggregatePolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "view_name",
                    models.CharField(
                        max_length=63,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z_][a-z0-9_]*$", "A name in small letters, digits and underscores."
                            )
                        ],
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        help_text="The table or the aggregate that it reads.",
                        max_length=63,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z_][a-z0-9_]*$", "A name in small letters, digits and underscores."
                            )
                        ],
                    ),
                ),
                (
                    "bucket_width",
                    models.DurationField(help_text="As the view is made; changing it here changes no view."),
                ),
                (
                    "start_offset",
                    models.DurationField(
                        help_text="A refresh begins this far back: no further than the source reaches."
                    ),
                ),
                ("end_offset", models.DurationField(help_text="A refresh ends this far back.")),
                ("schedule_interval", models.DurationField()),
                (
                    "drop_after",
                    models.DurationField(blank=True, help_text="Buckets older than this go. Empty: never.", null=True),
                ),
                (
                    "materialized_only",
                    models.BooleanField(
                        default=False, help_text="Off: a query adds what the refresh has not reached yet."
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "aggregate policies",
                "ordering": ("view_name",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("bucket_width__gt", timedelta(0))),
                        name="aggregate_bucket_width_positive",
                        violation_error_message="bucket_width must be positive.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("schedule_interval__gt", timedelta(0))),
                        name="aggregate_schedule_positive",
                        violation_error_message="schedule_interval must be positive.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("drop_after__gt", timedelta(0)), ("drop_after__lte", timedelta(days=36500))
                        ),
                        name="aggregate_drop_after_to_a_century",
                        violation_error_message="drop_after must be positive, and 100 years at most.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("end_offset__gte", timedelta(0))),
                        name="aggregate_end_offset_not_negative",
                        violation_error_message="end_offset must not be negative.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "start_offset__gte",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("end_offset"), "+", models.F("bucket_width")
                                    ),
                                    "+",
                                    models.F("bucket_width"),
                                ),
                            )
                        ),
                        name="aggregate_window_two_buckets",
                        violation_error_message="From start_offset to end_offset must be two buckets at least.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("drop_after", None), ("drop_after__gte", models.F("start_offset")), _connector="OR"
                        ),
                        name="aggregate_keeps_what_it_refreshes",
                        violation_error_message="drop_after must not be below start_offset: a refresh would undo it.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("source", models.F("view_name")), _negated=True),
                        name="aggregate_reads_another",
                        violation_error_message="An aggregate can't read itself.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HypertablePolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "table_name",
                    models.CharField(
                        max_length=63,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z_][a-z0-9_]*$", "A name in small letters, digits and underscores."
                            )
                        ],
                    ),
                ),
                (
                    "time_column",
                    models.CharField(
                        max_length=63,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z_][a-z0-9_]*$", "A name in small letters, digits and underscores."
                            )
                        ],
                    ),
                ),
                (
                    "time_is_date",
                    models.BooleanField(
                        default=False, help_text="The time column is a date: its chunks are whole days."
                    ),
                ),
                (
                    "chunk_time_interval",
                    models.DurationField(help_text="For chunks to come; the others keep the width they have."),
                ),
                ("drop_after", models.DurationField(help_text="Rows older than this go, a whole chunk at a time.")),
                (
                    "retention_schedule_interval",
                    models.DurationField(
                        help_text="How often TimescaleDB's job looks. On the other editions beat looks, every 30 s."
                    ),
                ),
                (
                    "columnstore_after",
                    models.DurationField(
                        blank=True,
                        help_text="Compress chunks older than this (Community edition). Empty: never.",
                        null=True,
                    ),
                ),
                ("columnstore_schedule_interval", models.DurationField(blank=True, null=True)),
                (
                    "segmentby",
                    models.CharField(
                        blank=True,
                        max_length=200,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z_][a-z0-9_]*(, ?[a-z_][a-z0-9_]*)*$", "Column names, separated by commas."
                            )
                        ],
                    ),
                ),
                (
                    "orderby",
                    models.CharField(
                        blank=True,
                        max_length=200,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z_][a-z0-9_]*( (ASC|DESC))?(, ?[a-z_][a-z0-9_]*( (ASC|DESC))?)*$",
                                "Column names, each with ASC or DESC.",
                            )
                        ],
                    ),
                ),
                (
                    "enabled",
                    models.BooleanField(
                        default=True, help_text="Off: nothing is compressed or dropped, and the table grows."
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "hypertable policies",
                "ordering": ("table_name",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("drop_after__gt", timedelta(0)), ("drop_after__lte", timedelta(days=36500))
                        ),
                        name="hypertable_drop_after_to_a_century",
                        violation_error_message="drop_after must be positive, and 100 years at most.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("chunk_time_interval__gt", timedelta(0))),
                        name="hypertable_chunk_positive",
                        violation_error_message="chunk_time_interval must be positive.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("retention_schedule_interval__gt", timedelta(0))),
                        name="hypertable_retention_schedule_positive",
                        violation_error_message="retention_schedule_interval must be positive.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("columnstore_after__gt", timedelta(0))),
                        name="hypertable_columnstore_after_positive",
                        violation_error_message="columnstore_after must be positive.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("columnstore_schedule_interval__gt", timedelta(0))),
                        name="hypertable_columnstore_schedule_positive",
                        violation_error_message="columnstore_schedule_interval must be positive.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("chunk_time_interval__lte", models.F("drop_after"))),
                        name="hypertable_chunk_within_drop_after",
                        violation_error_message="drop_after must not be below chunk_time_interval: chunks go whole.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("columnstore_after", None),
                            ("chunk_time_interval__lte", models.F("columnstore_after")),
                            models.Q(("chunk_time_interval", timedelta(days=1)), ("time_is_date", True)),
                            _connector="OR",
                        ),
                        name="hypertable_chunk_within_columnstore_after",
                        violation_error_message="columnstore_after must not be below chunk_time_interval "
                        "(a date's 1 day excepted): chunks are compressed whole.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("columnstore_after", None),
                            ("columnstore_after__lt", models.F("drop_after")),
                            _connector="OR",
                        ),
                        name="hypertable_columnstore_before_drop",
                        violation_error_message="columnstore_after must be below drop_after: else none is compressed.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("columnstore_after", None), ("columnstore_schedule_interval", None)),
                            models.Q(
                                ("columnstore_after__isnull", False), ("columnstore_schedule_interval__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="hypertable_columnstore_complete",
                        violation_error_message="columnstore_after and columnstore_schedule_interval are set together.",
                    ),
                ],
            },
        ),
        CreateOrAdoptModel(
            name="MarketDataDaily",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "trading_date", "symbol", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("trading_date", models.DateField()),
                ("symbol", models.TextField()),
                ("open", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("high", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("low", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("close", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("volume", models.BigIntegerField(null=True)),
                ("vwap", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("trades_count", models.IntegerField(null=True)),
            ],
            options={
                "db_table": "market_data_daily",
            },
        ),
        CreateOrAdoptModel(
            name="ScanResult",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "time", "symbol", "session", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("time", models.DateTimeField()),
                ("symbol", models.TextField()),
                ("session", models.TextField()),
                ("price", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("volume", models.BigIntegerField(null=True)),
                ("volume_today", models.BigIntegerField(null=True)),
                ("change_percent", models.DecimalField(decimal_places=4, max_digits=10, null=True)),
                ("rvol", models.DecimalField(decimal_places=4, max_digits=12, null=True)),
                ("rvol_slot", models.DecimalField(decimal_places=4, max_digits=12, null=True)),
                ("price_from_high", models.DecimalField(decimal_places=4, max_digits=10, null=True)),
                ("price_from_low", models.DecimalField(decimal_places=4, max_digits=10, null=True)),
                ("market_cap", models.BigIntegerField(null=True)),
                ("float_shares", models.BigIntegerField(null=True)),
                ("score", models.DecimalField(decimal_places=4, max_digits=12, null=True)),
                (
                    "filters_matched",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), null=True, size=None),
                ),
                ("metadata", models.JSONField(null=True)),
            ],
            options={
                "db_table": "scan_results",
            },
        ),
        CreateOrAdoptModel(
            name="VolumeSlot",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "date", "symbol", "slot_number", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("date", models.DateField()),
                ("symbol", models.TextField()),
                ("slot_number", models.IntegerField()),
                ("slot_time", models.TimeField(null=True)),
                ("volume_accumulated", models.BigIntegerField(null=True)),
                ("trades_count", models.IntegerField(null=True)),
                ("avg_price", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
            ],
            options={
                "db_table": "volume_slots",
            },
        ),
        CreateOrAdoptModel(
            name="VolumeSlotAverage",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "date", "symbol", "slot_number", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("date", models.DateField()),
                ("symbol", models.TextField()),
                ("slot_number", models.IntegerField()),
                ("slot_time", models.TimeField(null=True)),
                ("avg_volume_5d", models.BigIntegerField(null=True)),
                ("avg_volume_10d", models.BigIntegerField(null=True)),
                ("avg_volume_20d", models.BigIntegerField(null=True)),
                ("days_count", models.IntegerField(null=True)),
                ("updated_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "volume_slot_averages",
            },
            # The platform's own table has one row a symbol and slot, and no day.
            fill={"date": "updated_at"},
        ),
    ]

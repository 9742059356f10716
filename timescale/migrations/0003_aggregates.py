"""Two aggregates of the scans, the hour made of the minutes, without data: their refresh policies fill them.

Read from the scans, the hour would lose what lies further back than the scans reach, at its first refresh. Averages are
kept as sums and counts; volume_today is a counter, so its last value stands, and what was traded is a difference.
"""

from datetime import timedelta

from django.db import migrations, models

from timescale.operations import Count, CreateContinuousAggregate, First, Last, Max, Min, Sum


class Migration(migrations.Migration):
    dependencies = [("timescale", "0002_hypertables")]

    operations = [
        CreateContinuousAggregate(
            "scan_results_1min",
            source="scan_results",
            width=timedelta(minutes=1),
            group_by=("symbol", "session"),
            columns={
                "open_price": First("price"),
                "high_price": Max("price"),
                "low_price": Min("price"),
                "close_price": Last("price"),
                "price_sum": Sum("price"),
                "price_count": Count("price"),
                "volume_today": Last("volume_today"),
                "change_percent": Last("change_percent"),
                "rvol_sum": Sum("rvol"),
                "rvol_count": Count("rvol"),
                "rvol_max": Max("rvol"),
                "rvol_slot_sum": Sum("rvol_slot"),
                "rvol_slot_count": Count("rvol_slot"),
                "score_sum": Sum("score"),
                "score_count": Count("score"),
                "score_max": Max("score"),
                "market_cap": Last("market_cap"),
                "float_shares": Last("float_shares"),
                "sample_count": Count(),
            },
            chunk_time_interval=timedelta(days=1),
        ),
        CreateContinuousAggregate(
            "scan_results_1hour",
            source="scan_results_1min",
            time_column="bucket",
            width=timedelta(hours=1),
            group_by=("symbol", "session"),
            columns={
                "open_price": First("open_price"),
                "high_price": Max("high_price"),
                "low_price": Min("low_price"),
                "close_price": Last("close_price"),
                "price_sum": Sum("price_sum"),
                "price_count": Sum("price_count", cast="bigint"),
                "volume_today": Last("volume_today"),
                "change_percent": Last("change_percent"),
                "rvol_sum": Sum("rvol_sum"),
                "rvol_count": Sum("rvol_count", cast="bigint"),
                "rvol_max": Max("rvol_max"),
                "rvol_slot_sum": Sum("rvol_slot_sum"),
                "rvol_slot_count": Sum("rvol_slot_count", cast="bigint"),
                "score_sum": Sum("score_sum"),
                "score_count": Sum("score_count", cast="bigint"),
                "score_max": Max("score_max"),
                "market_cap": Last("market_cap"),
                "float_shares": Last("float_shares"),
                "sample_count": Sum("sample_count", cast="bigint"),
            },
            chunk_time_interval=timedelta(days=7),
        ),
        migrations.CreateModel(
            name="ScanMinute",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "bucket", "symbol", "session", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("bucket", models.DateTimeField()),
                ("symbol", models.TextField()),
                ("session", models.TextField()),
                ("open_price", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("high_price", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("low_price", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("close_price", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("price_sum", models.DecimalField(decimal_places=4, max_digits=24, null=True)),
                ("price_count", models.BigIntegerField()),
                ("volume_today", models.BigIntegerField(null=True)),
                ("change_percent", models.DecimalField(decimal_places=4, max_digits=10, null=True)),
                ("rvol_sum", models.DecimalField(decimal_places=4, max_digits=24, null=True)),
                ("rvol_count", models.BigIntegerField()),
                ("rvol_max", models.DecimalField(decimal_places=4, max_digits=12, null=True)),
                ("rvol_slot_sum", models.DecimalField(decimal_places=4, max_digits=24, null=True)),
                ("rvol_slot_count", models.BigIntegerField()),
                ("score_sum", models.DecimalField(decimal_places=4, max_digits=24, null=True)),
                ("score_count", models.BigIntegerField()),
                ("score_max", models.DecimalField(decimal_places=4, max_digits=12, null=True)),
                ("market_cap", models.BigIntegerField(null=True)),
                ("float_shares", models.BigIntegerField(null=True)),
                ("sample_count", models.BigIntegerField()),
            ],
            options={
                "db_table": "scan_results_1min",
                "abstract": False,
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="ScanHour",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "bucket", "symbol", "session", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("bucket", models.DateTimeField()),
                ("symbol", models.TextField()),
                ("session", models.TextField()),
                ("open_price", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("high_price", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("low_price", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("close_price", models.DecimalField(decimal_places=4, max_digits=14, null=True)),
                ("price_sum", models.DecimalField(decimal_places=4, max_digits=24, null=True)),
                ("price_count", models.BigIntegerField()),
                ("volume_today", models.BigIntegerField(null=True)),
                ("change_percent", models.DecimalField(decimal_places=4, max_digits=10, null=True)),
                ("rvol_sum", models.DecimalField(decimal_places=4, max_digits=24, null=True)),
                ("rvol_count", models.BigIntegerField()),
                ("rvol_max", models.DecimalField(decimal_places=4, max_digits=12, null=True)),
                ("rvol_slot_sum", models.DecimalField(decimal_places=4, max_digits=24, null=True)),
                ("rvol_slot_count", models.BigIntegerField()),
                ("score_sum", models.DecimalField(decimal_places=4, max_digits=24, null=True)),
                ("score_count", models.BigIntegerField()),
                ("score_max", models.DecimalField(decimal_places=4, max_digits=12, null=True)),
                ("market_cap", models.BigIntegerField(null=True)),
                ("float_shares", models.BigIntegerField(null=True)),
                ("sample_count", models.BigIntegerField()),
            ],
            options={
                "db_table": "scan_results_1hour",
                "abstract": False,
                "managed": False,
            },
        ),
    ]

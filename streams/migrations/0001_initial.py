import datetime

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Enforcement",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("ran_at", models.DateTimeField(null=True)),
                ("trims", models.BigIntegerField(db_default=0, default=0)),
                ("trimmed", models.BigIntegerField(db_default=0, default=0)),
                ("forced", models.BigIntegerField(db_default=0, default=0)),
                ("bytes_trimmed", models.BigIntegerField(db_default=0, default=0)),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="enforcement_is_one_row")],
            },
        ),
        migrations.CreateModel(
            name="TrimRun",
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
                ("stream", models.CharField(blank=True, max_length=512)),
                ("length_before", models.BigIntegerField(null=True)),
                ("length_after", models.BigIntegerField(null=True)),
                ("bytes_before", models.BigIntegerField(null=True)),
                ("bytes_after", models.BigIntegerField(null=True)),
                ("trimmed", models.BigIntegerField(default=0)),
                ("forced", models.BigIntegerField(default=0)),
                ("floor", models.CharField(blank=True, max_length=48)),
                ("held_by", models.TextField(blank=True)),
                ("duration_us", models.BigIntegerField(default=0)),
            ],
            options={
                "ordering": ("-id",),
                "get_latest_by": "id",
                "abstract": False,
                "indexes": [
                    models.Index(
                        models.F("stream"), models.OrderBy(models.F("id"), descending=True), name="trim_run_of_stream"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StreamLimit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("stream", models.CharField(help_text="The key, exactly.", max_length=512, unique=True)),
                ("maxlen", models.BigIntegerField(help_text="Entries that stay after a trim.")),
                (
                    "trim_threshold",
                    models.BigIntegerField(
                        help_text="Cut at the next sweep, within 5 s, once it has more entries than this."
                    ),
                ),
                (
                    "trim_interval",
                    models.DurationField(help_text="How often it is cut to maxlen: seconds, or hours:minutes:seconds."),
                ),
                (
                    "approximate",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="Remove whole nodes only: cheaper, and up to 100 entries above maxlen.",
                    ),
                ),
                (
                    "protect_groups",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="Keep what a consumer group has not read and acknowledged.",
                    ),
                ),
                (
                    "hard_maxlen",
                    models.BigIntegerField(
                        blank=True, help_text="The length at which the cap wins over that protection.", null=True
                    ),
                ),
                ("enabled", models.BooleanField(db_default=True, default=True)),
                ("note", models.TextField(blank=True, db_default="", default="")),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("due_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("held_by", models.TextField(blank=True, db_default="", default="", editable=False)),
                (
                    "updated_by",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("stream",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("stream__in", ("", ":version")), _negated=True),
                        name="stream_limit_stream_is_a_name",
                        violation_error_message="stream must be a key's name, and not :version.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("maxlen__gte", 1)),
                        name="stream_limit_maxlen_positive",
                        violation_error_message="maxlen must be at least 1.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("trim_threshold__gte", models.F("maxlen"))),
                        name="stream_limit_threshold_from_maxlen",
                        violation_error_message="trim_threshold must be at least maxlen.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("trim_interval__range", (datetime.timedelta(seconds=1), datetime.timedelta(days=1)))
                        ),
                        name="stream_limit_interval_second_to_day",
                        violation_error_message="trim_interval must be between one second and one day.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("hard_maxlen__isnull", True),
                            ("hard_maxlen__gte", models.F("trim_threshold")),
                            _connector="OR",
                        ),
                        name="stream_limit_ceiling_from_threshold",
                        violation_error_message="hard_maxlen must be at least trim_threshold.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("protect_groups", False), ("hard_maxlen__isnull", False), _connector="OR"),
                        name="stream_limit_protection_has_ceiling",
                        violation_error_message="hard_maxlen is required while groups are protected.",
                    ),
                ],
            },
        ),
    ]

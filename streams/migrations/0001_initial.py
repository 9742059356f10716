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
            name="Stream",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=512, unique=True)),
                (
                    "first_seen_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("seen_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("due_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("held_by", models.TextField(blank=True, db_default="", default="", editable=False)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
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
                ("losses", models.JSONField(blank=True, default=dict)),
                ("stopped", models.CharField(blank=True, default="", max_length=20)),
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
                (
                    "pattern",
                    models.CharField(
                        help_text="A stream's key, or with * ? [abc] all that match; \\ before one means the sign.",
                        max_length=512,
                    ),
                ),
                (
                    "priority",
                    models.IntegerField(
                        db_default=0,
                        default=0,
                        help_text="Of several that match a stream the highest holds; then an exact one.",
                    ),
                ),
                (
                    "is_ceiling",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Replaces no other limit: where its numbers are lower than theirs, it tightens them.",
                        verbose_name="ceiling",
                    ),
                ),
                ("maxlen", models.BigIntegerField(blank=True, help_text="Entries that stay after a trim.", null=True)),
                (
                    "trim_threshold",
                    models.BigIntegerField(
                        blank=True,
                        help_text="Cut at the next sweep, within 5 s, once it has more entries than this.",
                        null=True,
                    ),
                ),
                (
                    "max_age",
                    models.DurationField(
                        blank=True,
                        help_text="Entries older than this go: seconds, or days hours:minutes:seconds.",
                        null=True,
                    ),
                ),
                (
                    "max_bytes",
                    models.BigIntegerField(
                        blank=True, help_text="Becomes entries, by the bytes that one takes. Per stream.", null=True
                    ),
                ),
                (
                    "trim_interval",
                    models.DurationField(
                        help_text="How often it is cut to its limit: seconds, or hours:minutes:seconds."
                    ),
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
                (
                    "ignore_groups_idle_for",
                    models.DurationField(
                        blank=True,
                        help_text="Don't wait for a group whose consumers have all been idle for this long.",
                        null=True,
                    ),
                ),
                ("enabled", models.BooleanField(db_default=True, default=True)),
                ("note", models.TextField(blank=True, db_default="", default="")),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
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
                "ordering": ("pattern", "is_ceiling"),
                "constraints": [
                    models.UniqueConstraint(
                        models.F("pattern"),
                        models.F("is_ceiling"),
                        name="stream_limit_once_per_pattern",
                        violation_error_message="This pattern has a limit already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("pattern__in", ("", ":version")), _negated=True),
                            models.Q(("pattern__startswith", ":ceiling:"), _negated=True),
                        ),
                        name="stream_limit_pattern_is_usable",
                        violation_error_message="pattern must not be empty or :version, or begin with :ceiling:.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("priority__range", (-1000000, 1000000))),
                        name="stream_limit_priority_within_a_million",
                        violation_error_message="priority must be between -1,000,000 and 1,000,000.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("maxlen__isnull", False),
                            ("max_age__isnull", False),
                            ("max_bytes__isnull", False),
                            _connector="OR",
                        ),
                        name="stream_limit_bounds_something",
                        violation_error_message="A limit needs one of maxlen, max_age and max_bytes.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("maxlen__isnull", True), ("maxlen__gte", 1), _connector="OR"),
                        name="stream_limit_maxlen_positive",
                        violation_error_message="maxlen must be at least 1.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("max_bytes__isnull", True), ("max_bytes__gte", 1), _connector="OR"),
                        name="stream_limit_max_bytes_positive",
                        violation_error_message="max_bytes must be at least 1.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("max_age__isnull", True),
                            ("max_age__range", (datetime.timedelta(seconds=1), datetime.timedelta(days=36500))),
                            _connector="OR",
                        ),
                        name="stream_limit_max_age_from_a_second",
                        violation_error_message="max_age must be between one second and 100 years.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("ignore_groups_idle_for__isnull", True),
                            (
                                "ignore_groups_idle_for__range",
                                (datetime.timedelta(seconds=1), datetime.timedelta(days=36500)),
                            ),
                            _connector="OR",
                        ),
                        name="stream_limit_ignore_groups_idle_for_from_a_second",
                        violation_error_message="ignore_groups_idle_for must be between one second and 100 years.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("maxlen__isnull", True), ("trim_threshold__isnull", True)),
                            models.Q(
                                ("maxlen__isnull", False),
                                ("trim_threshold__gte", models.F("maxlen")),
                                ("trim_threshold__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="stream_limit_threshold_with_maxlen",
                        violation_error_message="trim_threshold must be set with maxlen, and be at least as high.",
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
                            models.Q(("hard_maxlen__gte", 1), ("trim_threshold__isnull", True)),
                            models.Q(
                                ("hard_maxlen__gte", models.F("trim_threshold")), ("trim_threshold__isnull", False)
                            ),
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

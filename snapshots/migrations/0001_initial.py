import datetime
import uuid

import django.db.models.deletion
import django.db.models.expressions
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
            name="SnapshotPolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        help_text="Part of its keys: snapshot:{name}:full and so on.", max_length=64, unique=True
                    ),
                ),
                (
                    "source_kind",
                    models.CharField(
                        choices=[
                            ("hash", "hash: symbol → JSON"),
                            ("string", "string: one JSON object or list"),
                            ("stream_entry", "the newest entry of a stream"),
                            ("callable", "a function that a service registered"),
                            ("manager", "none: a service publishes it, through its SnapshotManager"),
                        ],
                        default="hash",
                        max_length=12,
                    ),
                ),
                (
                    "source_key",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text=(
                            "The Redis key, or the name a function was registered by. Empty if a service publishes it."
                        ),
                        max_length=512,
                    ),
                ),
                (
                    "build_interval",
                    models.DurationField(
                        default=datetime.timedelta(seconds=5), help_text="How often a delta is published."
                    ),
                ),
                (
                    "full_snapshot_interval",
                    models.DurationField(
                        default=datetime.timedelta(seconds=300),
                        help_text="How often a full is published: seconds, or hours:minutes:seconds.",
                    ),
                ),
                (
                    "delta_compression_threshold",
                    models.IntegerField(
                        default=100, help_text="Documents below so many bytes are stored without compression."
                    ),
                ),
                ("compression_level", models.SmallIntegerField(default=9, help_text="zstd, from 1 to 19.")),
                (
                    "max_delta_ratio",
                    models.FloatField(
                        default=0.6,
                        help_text="A delta with a larger share of the last full's bytes is published as a full.",
                    ),
                ),
                (
                    "profile",
                    models.CharField(
                        choices=[
                            ("exact", "exact: every change is published"),
                            (
                                "guide",
                                "guide: a ticker waits until its price, rvol, score, volume or change moved enough",
                            ),
                            ("own", "own: the thresholds below"),
                        ],
                        db_default="exact",
                        default="exact",
                        help_text=(
                            "Which small changes may wait. Measured from the last published value, they never add up."
                        ),
                        max_length=5,
                    ),
                ),
                (
                    "thresholds",
                    models.TextField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text=(
                            "For the profile own, one a line: a field and how far it may be off. price 0.1% (of "
                            "its published value), change_percent 0.5 (in its own units), updated wait (never a "
                            "reason to publish). * stands for all other numbers. Once one change of a ticker is "
                            "too large, all of its changes are published."
                        ),
                    ),
                ),
                (
                    "full_ttl",
                    models.DurationField(
                        default=datetime.timedelta(seconds=900),
                        help_text="When all keys expire after the last build; at least two full intervals.",
                    ),
                ),
                (
                    "delta_ttl",
                    models.DurationField(
                        default=datetime.timedelta(seconds=60), help_text="When snapshot:delta:latest expires."
                    ),
                ),
                (
                    "is_default",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Also written to snapshot:full:latest and :delta:latest, and served without a name.",
                    ),
                ),
                ("enabled", models.BooleanField(db_default=True, default=True)),
                ("note", models.TextField(blank=True, db_default="", default="")),
                ("writer", models.UUIDField(default=uuid.uuid4, editable=False)),
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
                "verbose_name_plural": "snapshot policies",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="SnapshotBuild",
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
                ("kind", models.CharField(blank=True, choices=[("full", "full"), ("delta", "delta")], max_length=5)),
                ("epoch", models.CharField(blank=True, max_length=32)),
                ("sequence", models.BigIntegerField(null=True)),
                ("tickers", models.IntegerField(null=True)),
                ("added", models.IntegerField(null=True)),
                ("updated", models.IntegerField(null=True)),
                ("removed", models.IntegerField(null=True)),
                ("unchanged", models.IntegerField(null=True)),
                ("raw_bytes", models.BigIntegerField(null=True)),
                ("stored_bytes", models.BigIntegerField(null=True)),
                ("read_ms", models.FloatField(null=True)),
                ("diff_ms", models.FloatField(null=True)),
                ("encode_ms", models.FloatField(null=True)),
                ("write_ms", models.FloatField(null=True)),
                ("held", models.IntegerField(null=True)),
                (
                    "cause",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("first", "first"),
                            ("interval", "interval"),
                            ("schema", "schema"),
                            ("size", "size"),
                            ("profile", "profile"),
                            ("forced", "forced"),
                            ("gap", "gap"),
                            ("checksum", "checksum"),
                            ("write failed", "write failed"),
                            ("delta failed", "delta failed"),
                            ("restart", "restart"),
                        ],
                        max_length=12,
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                (
                    "policy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="snapshots.snapshotpolicy"
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "get_latest_by": "id",
                "abstract": False,
            },
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("name__regex", "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")),
                name="snapshot_policy_name_makes_keys",
                violation_error_message="name must be letters, digits, dot, dash and underscore, 64 at most.",
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(models.Q(("source_kind", "manager")), ("source_key", "")),
                    models.Q(
                        models.Q(("source_kind", "manager"), _negated=True), models.Q(("source_key", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="snapshot_policy_source_is_named",
                violation_error_message="source_key must not be empty, but for a snapshot that a service publishes.",
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("profile__in", ["exact", "guide", "own"])),
                name="snapshot_policy_profile_known",
                violation_error_message="profile must be one of exact, guide, own.",
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("thresholds", ""),
                    (
                        "thresholds__regex",
                        (
                            "^[^\\s,][^\\n\\r,]{0,199}[ \\t]+([0-9]{1,9}([.][0-9]{1,9})?%?|wait)[ "
                            "\\t]*([\\r\\n]+[^\\s,][^\\n\\r,]{0,199}[ \\t]+([0-9]{1,9}([.][0-9]{1,9})?%?|wait)[ "
                            "\\t]*){0,99}[\\r\\n]*$"
                        ),
                    ),
                    _connector="OR",
                ),
                name="snapshot_policy_thresholds_are_rules",
                violation_error_message=(
                    "thresholds must be one rule a line, as price 0.1%%, change_percent 0.5 or updated wait."
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(models.Q(("thresholds", ""), _negated=True), ("profile", "own")),
                    models.Q(models.Q(("profile", "own"), _negated=True), ("thresholds", "")),
                    _connector="OR",
                ),
                name="snapshot_policy_thresholds_if_own",
                violation_error_message="thresholds must be given for the profile own, and for no other.",
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("source_kind__in", ["hash", "string", "stream_entry", "callable", "manager"])),
                name="snapshot_policy_source_kind_known",
                violation_error_message="source_kind must be one of hash, string, stream_entry, callable, manager.",
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("build_interval__range", (datetime.timedelta(seconds=5), datetime.timedelta(days=1)))
                ),
                name="snapshot_policy_build_interval_5_s_to_day",
                violation_error_message="build_interval must be between five seconds and one day.",
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("full_snapshot_interval__gte", models.F("build_interval")),
                    ("full_snapshot_interval__lte", datetime.timedelta(days=1)),
                ),
                name="snapshot_policy_full_interval_from_build",
                violation_error_message="full_snapshot_interval must be at least build_interval, and at most one day.",
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "full_ttl__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("full_snapshot_interval"), "+", models.F("full_snapshot_interval")
                        ),
                    )
                ),
                name="snapshot_policy_full_ttl_two_intervals",
                violation_error_message="full_ttl must be at least twice full_snapshot_interval.",
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("delta_ttl__range", (datetime.timedelta(seconds=1), datetime.timedelta(days=1))),
                    ("full_ttl__lte", datetime.timedelta(days=2)),
                ),
                name="snapshot_policy_ttls_bounded",
                violation_error_message="full_ttl must be at most two days, delta_ttl between one second and one day.",
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("delta_compression_threshold__gte", 0)),
                name="snapshot_policy_threshold_not_negative",
                violation_error_message="delta_compression_threshold must not be negative.",
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("compression_level__range", (1, 19))),
                name="snapshot_policy_level_1_to_19",
                violation_error_message="compression_level must be from 1 to 19: browsers read no higher one.",
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("max_delta_ratio__gt", 0), ("max_delta_ratio__lte", 1)),
                name="snapshot_policy_ratio_0_to_1",
                violation_error_message="max_delta_ratio must be above 0 and at most 1.",
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpolicy",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_default", True)),
                fields=("is_default",),
                name="snapshot_policy_one_default",
                violation_error_message="Another snapshot is the default.",
            ),
        ),
        migrations.AddIndex(
            model_name="snapshotbuild",
            index=models.Index(
                models.F("policy"), models.OrderBy(models.F("id"), descending=True), name="snapshot_build_of_policy"
            ),
        ),
    ]

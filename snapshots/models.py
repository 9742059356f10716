"""Rows: how each snapshot is built, and what each build did. Talks to no Redis."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from snapshots.engine.names import NAME_PATTERN
from snapshots.engine.plan import Cause, Options, max_chain_of
from snapshots.engine.policies import Policy
from snapshots.engine.thresholds import EXACT, GUIDE, RULES_PATTERN, thresholds_of
from tradeul_ops.runs import Run

SHORTEST_INTERVAL = timedelta(seconds=5)  # beat's own
LONGEST = timedelta(days=1)


class SourceKind(models.TextChoices):
    HASH = "hash", _("hash: symbol → JSON")
    STRING = "string", _("string: one JSON object or list")
    STREAM_ENTRY = "stream_entry", _("the newest entry of a stream")
    CALLABLE = "callable", _("a function that a service registered")
    MANAGER = "manager", _("none: a service publishes it, through its SnapshotManager")


class Profile(models.TextChoices):
    EXACT = "exact", _("exact: every change is published")
    GUIDE = "guide", _("guide: a ticker waits until its price, rvol, score, volume or change moved enough")
    OWN = "own", _("own: the thresholds below")


PROFILES = {Profile.EXACT.value: EXACT, Profile.GUIDE.value: GUIDE}


class SnapshotPolicy(models.Model):
    """One snapshot: where its records come from, and how often it is published. engine.plan.Options has rules again."""

    name = models.CharField(
        max_length=64, unique=True, help_text=_("Part of its keys: snapshot:{name}:full and so on.")
    )
    source_kind = models.CharField(max_length=12, choices=SourceKind.choices, default=SourceKind.HASH)
    source_key = models.CharField(
        max_length=512,
        blank=True,
        default="",
        help_text=_("The Redis key, or the name a function was registered by. Empty if a service publishes it."),
    )
    build_interval = models.DurationField(default=SHORTEST_INTERVAL, help_text=_("How often a delta is published."))
    full_snapshot_interval = models.DurationField(
        default=timedelta(seconds=300), help_text=_("How often a full is published: seconds, or hours:minutes:seconds.")
    )
    delta_compression_threshold = models.IntegerField(
        default=100, help_text=_("Documents below so many bytes are stored without compression.")
    )
    compression_level = models.SmallIntegerField(default=9, help_text=_("zstd, from 1 to 19."))
    max_delta_ratio = models.FloatField(
        default=0.6, help_text=_("A delta with a larger share of the last full's bytes is published as a full.")
    )
    profile = models.CharField(
        max_length=5,
        choices=Profile.choices,
        default=Profile.EXACT,
        db_default=Profile.EXACT,
        help_text=_("Which small changes may wait. Measured from the last published value, they never add up."),
    )
    thresholds = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "For the profile own, one a line: a field and how far it may be off. price 0.1% (of its "
            "published value), change_percent 0.5 (in its own units), updated wait (never a reason to "
            "publish). * stands for all other numbers. Once one change of a ticker is too large, all of its "
            "changes are published."
        ),
    )
    full_ttl = models.DurationField(
        default=timedelta(minutes=15),
        help_text=_("When all keys expire after the last build; at least two full intervals."),
    )
    delta_ttl = models.DurationField(default=timedelta(seconds=60), help_text=_("When snapshot:delta:latest expires."))
    is_default = models.BooleanField(
        default=False,
        db_default=False,
        help_text=_("Also written to snapshot:full:latest and :delta:latest, and served without a name."),
    )
    enabled = models.BooleanField(default=True, db_default=True)
    note = models.TextField(blank=True, default="", db_default="")
    # Tells this installation from another one on the same Redis; all of its workers write as one.
    writer = models.UUIDField(default=uuid.uuid4, editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ("name",)
        verbose_name_plural = _("snapshot policies")
        constraints = (
            models.CheckConstraint(
                name="snapshot_policy_name_makes_keys",
                condition=Q(name__regex=NAME_PATTERN),
                violation_error_message=_("name must be letters, digits, dot, dash and underscore, 64 at most."),
            ),
            models.CheckConstraint(
                name="snapshot_policy_source_is_named",
                condition=Q(Q(source_kind="manager"), source_key="") | Q(~Q(source_kind="manager"), ~Q(source_key="")),
                violation_error_message=_("source_key must not be empty, but for a snapshot that a service publishes."),
            ),
            models.CheckConstraint(
                name="snapshot_policy_profile_known",
                condition=Q(profile__in=Profile.values),
                violation_error_message=format_lazy(
                    _("profile must be one of {words}."), words=", ".join(Profile.values)
                ),
            ),
            models.CheckConstraint(
                name="snapshot_policy_thresholds_are_rules",
                condition=Q(thresholds="") | Q(thresholds__regex=RULES_PATTERN),
                violation_error_message=_(
                    "thresholds must be one rule a line, as price 0.1%%, change_percent 0.5 or updated wait."
                ),
            ),
            models.CheckConstraint(
                name="snapshot_policy_thresholds_if_own",
                condition=Q(~Q(thresholds=""), profile="own") | Q(~Q(profile="own"), thresholds=""),
                violation_error_message=_("thresholds must be given for the profile own, and for no other."),
            ),
            models.CheckConstraint(
                name="snapshot_policy_source_kind_known",
                condition=Q(source_kind__in=SourceKind.values),
                violation_error_message=format_lazy(
                    _("source_kind must be one of {words}."), words=", ".join(SourceKind.values)
                ),
            ),
            models.CheckConstraint(
                name="snapshot_policy_build_interval_5_s_to_day",
                condition=Q(build_interval__range=(SHORTEST_INTERVAL, LONGEST)),
                violation_error_message=_("build_interval must be between five seconds and one day."),
            ),
            models.CheckConstraint(
                name="snapshot_policy_full_interval_from_build",
                condition=Q(full_snapshot_interval__gte=F("build_interval"), full_snapshot_interval__lte=LONGEST),
                violation_error_message=_(
                    "full_snapshot_interval must be at least build_interval, and at most one day."
                ),
            ),
            models.CheckConstraint(
                name="snapshot_policy_full_ttl_two_intervals",
                condition=Q(full_ttl__gte=F("full_snapshot_interval") + F("full_snapshot_interval")),
                violation_error_message=_("full_ttl must be at least twice full_snapshot_interval."),
            ),
            models.CheckConstraint(
                name="snapshot_policy_ttls_bounded",
                condition=Q(full_ttl__lte=2 * LONGEST, delta_ttl__range=(timedelta(seconds=1), LONGEST)),
                violation_error_message=_(
                    "full_ttl must be at most two days, delta_ttl between one second and one day."
                ),
            ),
            models.CheckConstraint(
                name="snapshot_policy_threshold_not_negative",
                condition=Q(delta_compression_threshold__gte=0),
                violation_error_message=_("delta_compression_threshold must not be negative."),
            ),
            models.CheckConstraint(
                name="snapshot_policy_level_1_to_19",
                condition=Q(compression_level__range=(1, 19)),
                violation_error_message=_("compression_level must be from 1 to 19: browsers read no higher one."),
            ),
            models.CheckConstraint(
                name="snapshot_policy_ratio_0_to_1",
                condition=Q(max_delta_ratio__gt=0, max_delta_ratio__lte=1),
                violation_error_message=_("max_delta_ratio must be above 0 and at most 1."),
            ),
            models.UniqueConstraint(
                fields=("is_default",),
                condition=Q(is_default=True),
                name="snapshot_policy_one_default",
                violation_error_message=_("Another snapshot is the default."),
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def options(self) -> Options:
        return Options(
            full_interval=self.full_snapshot_interval,
            compression_threshold=self.delta_compression_threshold,
            compression_level=self.compression_level,
            max_delta_ratio=self.max_delta_ratio,
            max_chain=max_chain_of(full_interval=self.full_snapshot_interval, build_interval=self.build_interval),
        )

    @property
    def terms(self) -> Policy:
        """What is published to a SnapshotManager of this name, and what the console's own builds go by."""
        own = self.profile == Profile.OWN
        return Policy(
            options=self.options,
            thresholds=thresholds_of(self.thresholds.splitlines()) if own else PROFILES[self.profile],
            full_ttl=self.full_ttl,
            delta_ttl=self.delta_ttl,
            aliases=self.is_default,
        )


class SnapshotBuild(Run):
    """One build. `raw_bytes`: the source's own; `stored_bytes`: written to Redis; `cause`: a word why it was a full,
    and `reason` the sentence; `held`: tickers whose changes wait for more."""

    policy = models.ForeignKey(SnapshotPolicy, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=5, choices=(("full", "full"), ("delta", "delta")), blank=True)
    epoch = models.CharField(max_length=32, blank=True)
    sequence = models.BigIntegerField(null=True)
    tickers = models.IntegerField(null=True)
    added = models.IntegerField(null=True)
    updated = models.IntegerField(null=True)
    removed = models.IntegerField(null=True)
    unchanged = models.IntegerField(null=True)
    raw_bytes = models.BigIntegerField(null=True)
    stored_bytes = models.BigIntegerField(null=True)
    read_ms = models.FloatField(null=True)
    diff_ms = models.FloatField(null=True)
    encode_ms = models.FloatField(null=True)
    write_ms = models.FloatField(null=True)
    held = models.IntegerField(null=True)
    cause = models.CharField(max_length=12, blank=True, choices=[(cause.value, cause.value) for cause in Cause])
    reason = models.TextField(blank=True)

    class Meta(Run.Meta):
        indexes = (models.Index("policy", F("id").desc(), name="snapshot_build_of_policy"),)

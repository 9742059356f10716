"""Rows: the limit of each stream, what each trim did, and the running totals. Talks to no Redis."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from streams.engine import limits
from tradeul_ops.runs import Run


class StreamLimit(models.Model):
    """One stream's limit. The rules of engine.limits stand here again, where no bulk update walks around them."""

    stream = models.CharField(max_length=512, unique=True, help_text="The key, exactly.")
    maxlen = models.BigIntegerField(help_text="Entries that stay after a trim.")
    trim_threshold = models.BigIntegerField(
        help_text="Cut at the next sweep, within 5 s, once it has more entries than this."
    )
    trim_interval = models.DurationField(help_text="How often it is cut to maxlen: seconds, or hours:minutes:seconds.")
    approximate = models.BooleanField(
        default=True, db_default=True, help_text="Remove whole nodes only: cheaper, and up to 100 entries above maxlen."
    )
    protect_groups = models.BooleanField(
        default=True, db_default=True, help_text="Keep what a consumer group has not read and acknowledged."
    )
    hard_maxlen = models.BigIntegerField(
        null=True, blank=True, help_text="The length at which the cap wins over that protection."
    )
    enabled = models.BooleanField(default=True, db_default=True)
    note = models.TextField(blank=True, default="", db_default="")
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    # NULL: at the next chance, and without waiting for trim_threshold, because the limit is new or was edited.
    due_at = models.DateTimeField(null=True, blank=True, editable=False)
    held_by = models.TextField(blank=True, default="", db_default="", editable=False)  # as the last trim found it

    class Meta:
        ordering = ("stream",)
        constraints = (
            models.CheckConstraint(
                name="stream_limit_stream_is_a_name",
                condition=~Q(stream__in=("", limits.VERSION_FIELD)),
                violation_error_message=f"stream must be a key's name, and not {limits.VERSION_FIELD}.",
            ),
            models.CheckConstraint(
                name="stream_limit_maxlen_positive",
                condition=Q(maxlen__gte=1),
                violation_error_message="maxlen must be at least 1.",
            ),
            models.CheckConstraint(
                name="stream_limit_threshold_from_maxlen",
                condition=Q(trim_threshold__gte=F("maxlen")),
                violation_error_message="trim_threshold must be at least maxlen.",
            ),
            models.CheckConstraint(
                name="stream_limit_interval_second_to_day",
                condition=Q(trim_interval__range=(limits.SHORTEST_INTERVAL, limits.LONGEST_INTERVAL)),
                violation_error_message="trim_interval must be between one second and one day.",
            ),
            models.CheckConstraint(
                name="stream_limit_ceiling_from_threshold",
                condition=Q(hard_maxlen__isnull=True) | Q(hard_maxlen__gte=F("trim_threshold")),
                violation_error_message="hard_maxlen must be at least trim_threshold.",
            ),
            models.CheckConstraint(
                name="stream_limit_protection_has_ceiling",
                condition=Q(protect_groups=False) | Q(hard_maxlen__isnull=False),
                violation_error_message="hard_maxlen is required while groups are protected.",
            ),
        )

    def __str__(self) -> str:
        return self.stream

    @property
    def limit(self) -> limits.Limit:
        return limits.Limit(
            stream=self.stream,
            maxlen=self.maxlen,
            trim_threshold=self.trim_threshold,
            trim_interval=self.trim_interval,
            approximate=self.approximate,
            protect_groups=self.protect_groups,
            hard_maxlen=self.hard_maxlen,
            enabled=self.enabled,
        )


class TrimRun(Run):
    """One trim that removed something, or one failure and how long it lasted; with `stream` empty, of the whole sweep.

    Bytes are the server's estimates; `forced` is the part of `trimmed` that the ceiling took although a group may
    still have needed it (at most).
    """

    stream = models.CharField(max_length=512, blank=True)
    length_before = models.BigIntegerField(null=True)
    length_after = models.BigIntegerField(null=True)
    bytes_before = models.BigIntegerField(null=True)
    bytes_after = models.BigIntegerField(null=True)
    trimmed = models.BigIntegerField(default=0)
    forced = models.BigIntegerField(default=0)
    floor = models.CharField(max_length=48, blank=True)
    held_by = models.TextField(blank=True)
    duration_us = models.BigIntegerField(default=0)

    class Meta(Run.Meta):
        indexes = (models.Index("stream", F("id").desc(), name="trim_run_of_stream"),)

    @property
    def bytes_freed(self) -> int | None:
        """At least 0: producers add between the two readings."""
        if self.bytes_before is None or self.bytes_after is None:
            return None
        return max(0, self.bytes_before - self.bytes_after)


class Enforcement(models.Model):
    """The one row that says when limits were last enforced, and what that removed since install: history is pruned."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    ran_at = models.DateTimeField(null=True)
    trims = models.BigIntegerField(default=0, db_default=0)
    trimmed = models.BigIntegerField(default=0, db_default=0)
    forced = models.BigIntegerField(default=0, db_default=0)
    bytes_trimmed = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = (models.CheckConstraint(name="enforcement_is_one_row", condition=Q(id=1)),)

    def __str__(self) -> str:
        return f"enforced at {self.ran_at}"

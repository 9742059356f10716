"""A limit as operators write it: for one stream, or for every stream whose name matches a pattern."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from streams.engine import limits, rules


def _null_or(condition: Q, field: str) -> Q:
    return Q(**{f"{field}__isnull": True}) | condition


def _count(field: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=f"stream_limit_{field}_positive",
        condition=_null_or(Q(**{f"{field}__gte": 1}), field),
        violation_error_message=format_lazy(_("{field} must be at least 1."), field=field),
    )


def _age(field: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=f"stream_limit_{field}_from_a_second",
        condition=_null_or(Q(**{f"{field}__range": (limits.SHORTEST_AGE, limits.LONGEST_AGE)}), field),
        violation_error_message=format_lazy(_("{field} must be between one second and 100 years."), field=field),
    )


class StreamLimit(models.Model):
    """The rules of engine.limits stand here again, where no bulk update walks around them. Fields: see help_texts."""

    pattern = models.CharField(max_length=512)
    priority = models.IntegerField(default=0, db_default=0)
    is_ceiling = models.BooleanField("ceiling", default=False, db_default=False)
    maxlen = models.BigIntegerField(null=True, blank=True)
    trim_threshold = models.BigIntegerField(null=True, blank=True)
    max_age = models.DurationField(null=True, blank=True)
    max_bytes = models.BigIntegerField(null=True, blank=True)
    trim_interval = models.DurationField()
    approximate = models.BooleanField(default=True, db_default=True)
    protect_groups = models.BooleanField(default=True, db_default=True)
    hard_maxlen = models.BigIntegerField(null=True, blank=True)
    ignore_groups_idle_for = models.DurationField(null=True, blank=True)
    enabled = models.BooleanField(default=True, db_default=True)
    note = models.TextField(blank=True, default="", db_default="")
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ("pattern", "is_ceiling")
        constraints = (
            models.UniqueConstraint(
                "pattern",
                "is_ceiling",
                name="stream_limit_once_per_pattern",
                violation_error_message=_("This pattern has a limit already."),
            ),
            models.CheckConstraint(
                name="stream_limit_pattern_is_usable",
                condition=~Q(pattern__in=("", rules.VERSION)) & ~Q(pattern__startswith=rules.CEILING),
                violation_error_message=format_lazy(
                    _("pattern must not be empty or {version}, or begin with {ceiling}."),
                    version=rules.VERSION,
                    ceiling=rules.CEILING,
                ),
            ),
            models.CheckConstraint(
                name="stream_limit_priority_within_a_million",
                condition=Q(priority__range=(-rules.MOST_PRIORITY, rules.MOST_PRIORITY)),
                violation_error_message=_("priority must be between -1,000,000 and 1,000,000."),
            ),
            models.CheckConstraint(
                name="stream_limit_bounds_something",
                condition=Q(maxlen__isnull=False) | Q(max_age__isnull=False) | Q(max_bytes__isnull=False),
                violation_error_message=_("A limit needs one of maxlen, max_age and max_bytes."),
            ),
            _count("maxlen"),
            _count("max_bytes"),
            _age("max_age"),
            _age("ignore_groups_idle_for"),
            models.CheckConstraint(
                name="stream_limit_threshold_with_maxlen",
                condition=Q(maxlen__isnull=True, trim_threshold__isnull=True)
                | Q(maxlen__isnull=False, trim_threshold__isnull=False, trim_threshold__gte=F("maxlen")),
                violation_error_message=_("trim_threshold must be set with maxlen, and be at least as high."),
            ),
            models.CheckConstraint(
                name="stream_limit_interval_second_to_day",
                condition=Q(trim_interval__range=(limits.SHORTEST_INTERVAL, limits.LONGEST_INTERVAL)),
                violation_error_message=_("trim_interval must be between one second and one day."),
            ),
            models.CheckConstraint(
                name="stream_limit_ceiling_from_threshold",
                condition=_null_or(
                    Q(hard_maxlen__gte=1, trim_threshold__isnull=True)
                    | Q(hard_maxlen__gte=F("trim_threshold"), trim_threshold__isnull=False),
                    "hard_maxlen",
                ),
                violation_error_message=_("hard_maxlen must be at least trim_threshold."),
            ),
            models.CheckConstraint(
                name="stream_limit_protection_has_ceiling",
                condition=Q(protect_groups=False) | Q(hard_maxlen__isnull=False),
                violation_error_message=_("hard_maxlen is required while groups are protected."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.pattern} (ceiling)" if self.is_ceiling else self.pattern

    @property
    def rule(self) -> rules.Rule:
        return rules.Rule(
            pattern=self.pattern,
            priority=self.priority,
            is_ceiling=self.is_ceiling,
            **{name: getattr(self, name) for name in rules.BOUNDS},
        )

"""How long the rows of a table or an aggregate live, as rows an operator edits; and what beat dropped in their name.

The rules stand here as constraints, where queryset.update() can't walk around them, and in engine.policies, which is
asked again before anything reaches a server. Only the reach of a refresh spans two rows, and is the engine's alone.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import CheckConstraint, F, Q
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from timescale.engine.durations import spell
from timescale.engine.policies import (
    DAY,
    LONGEST,
    ZERO,
    Columnstore,
    WantedTable,
    WantedView,
    reach_problems,
    table_errors,
    view_errors,
)
from timescale.engine.policies import NAME as PLAIN_NAME
from tradeul_ops.runs import Run

NAME = RegexValidator(rf"^{PLAIN_NAME}$", _("A name in small letters, digits and underscores."))
COLUMNS = RegexValidator(r"^[a-z_][a-z0-9_]*(, ?[a-z_][a-z0-9_]*)*$", _("Column names, separated by commas."))
ORDER = RegexValidator(
    r"^[a-z_][a-z0-9_]*( (ASC|DESC))?(, ?[a-z_][a-z0-9_]*( (ASC|DESC))?)*$", _("Column names, each with ASC or DESC.")
)


def _positive(name: str, field: str) -> CheckConstraint:
    return CheckConstraint(
        name=name,
        condition=Q(**{f"{field}__gt": ZERO}),
        violation_error_message=format_lazy(_("{field} must be positive."), field=field),
    )


def _to_a_century(name: str) -> CheckConstraint:
    return CheckConstraint(
        name=name,
        condition=Q(drop_after__gt=ZERO, drop_after__lte=LONGEST),
        violation_error_message=_("drop_after must be positive, and 100 years at most."),
    )


class HypertablePolicy(models.Model):
    table_name = models.CharField(max_length=63, unique=True, validators=[NAME])
    time_column = models.CharField(max_length=63, validators=[NAME])
    time_is_date = models.BooleanField(
        default=False, help_text=_("The time column is a date: its chunks are whole days.")
    )
    chunk_time_interval = models.DurationField(help_text=_("For chunks to come; the others keep the width they have."))
    drop_after = models.DurationField(help_text=_("Rows older than this go, a whole chunk at a time."))
    retention_schedule_interval = models.DurationField(
        help_text=_("How often TimescaleDB's job looks. On the other editions beat looks, every 30 s.")
    )
    columnstore_after = models.DurationField(
        null=True, blank=True, help_text=_("Compress chunks older than this (Community edition). Empty: never.")
    )
    columnstore_schedule_interval = models.DurationField(null=True, blank=True)
    segmentby = models.CharField(max_length=200, blank=True, validators=[COLUMNS])
    orderby = models.CharField(max_length=200, blank=True, validators=[ORDER])
    enabled = models.BooleanField(
        default=True, help_text=_("Off: nothing is compressed or dropped, and the table grows.")
    )

    class Meta:
        ordering = ("table_name",)
        verbose_name_plural = _("hypertable policies")
        permissions = [("act_on_tables", _("Can compress, drop and refresh now, and run jobs"))]
        constraints = [
            _to_a_century("hypertable_drop_after_to_a_century"),
            _positive("hypertable_chunk_positive", "chunk_time_interval"),
            _positive("hypertable_retention_schedule_positive", "retention_schedule_interval"),
            _positive("hypertable_columnstore_after_positive", "columnstore_after"),
            _positive("hypertable_columnstore_schedule_positive", "columnstore_schedule_interval"),
            CheckConstraint(
                name="hypertable_chunk_within_drop_after",
                condition=Q(chunk_time_interval__lte=F("drop_after")),
                violation_error_message=_("drop_after must not be below chunk_time_interval: chunks go whole."),
            ),
            CheckConstraint(
                name="hypertable_chunk_within_columnstore_after",
                condition=Q(columnstore_after=None)
                | Q(chunk_time_interval__lte=F("columnstore_after"))
                | Q(time_is_date=True, chunk_time_interval=DAY),
                violation_error_message=_(
                    "columnstore_after must not be below chunk_time_interval (a date's 1 day excepted): chunks are "
                    "compressed whole."
                ),
            ),
            CheckConstraint(
                name="hypertable_columnstore_before_drop",
                condition=Q(columnstore_after=None) | Q(columnstore_after__lt=F("drop_after")),
                violation_error_message=_("columnstore_after must be below drop_after: else none is compressed."),
            ),
            CheckConstraint(
                name="hypertable_columnstore_complete",
                condition=Q(columnstore_after=None, columnstore_schedule_interval=None)
                | Q(columnstore_after__isnull=False, columnstore_schedule_interval__isnull=False),
                violation_error_message=_("columnstore_after and columnstore_schedule_interval are set together."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.table_name}: {spell(self.drop_after)}"

    def clean(self) -> None:
        """Before the constraints, which say the same without a field to say it at."""
        if not self._complete():
            return
        found = table_errors(self.wanted())
        if not found and (reach := reach_problems(self.table_name, tables=_tables(instead=self), views=_views())):
            found = {"drop_after": " ".join(reach)}
        if found:
            raise ValidationError(dict(found))

    def _complete(self) -> bool:
        return None not in (self.chunk_time_interval, self.drop_after, self.retention_schedule_interval)

    def wanted(self) -> WantedTable:
        columnstore = None
        if self.columnstore_after is not None:
            every = self.columnstore_schedule_interval or self.columnstore_after
            columnstore = Columnstore(self.columnstore_after, every, self.segmentby, self.orderby)
        return WantedTable(
            table=self.table_name,
            time_column=self.time_column,
            time_is_date=self.time_is_date,
            chunk_time_interval=self.chunk_time_interval,
            drop_after=self.drop_after,
            schedule_interval=self.retention_schedule_interval,
            columnstore=columnstore,
            enabled=self.enabled,
        )


class AggregatePolicy(models.Model):
    view_name = models.CharField(max_length=63, unique=True, validators=[NAME])
    source = models.CharField(
        max_length=63, validators=[NAME], help_text=_("The table or the aggregate that it reads.")
    )
    bucket_width = models.DurationField(help_text=_("As the view is made; changing it here changes no view."))
    start_offset = models.DurationField(
        help_text=_("A refresh begins this far back: no further than the source reaches.")
    )
    end_offset = models.DurationField(help_text=_("A refresh ends this far back."))
    schedule_interval = models.DurationField()
    drop_after = models.DurationField(null=True, blank=True, help_text=_("Buckets older than this go. Empty: never."))
    materialized_only = models.BooleanField(
        default=False, help_text=_("Off: a query adds what the refresh has not reached yet.")
    )

    class Meta:
        ordering = ("view_name",)
        verbose_name_plural = _("aggregate policies")
        constraints = [
            _positive("aggregate_bucket_width_positive", "bucket_width"),
            _positive("aggregate_schedule_positive", "schedule_interval"),
            _to_a_century("aggregate_drop_after_to_a_century"),
            CheckConstraint(
                name="aggregate_end_offset_not_negative",
                condition=Q(end_offset__gte=ZERO),
                violation_error_message=_("end_offset must not be negative."),
            ),
            CheckConstraint(
                name="aggregate_window_two_buckets",
                condition=Q(start_offset__gte=F("end_offset") + F("bucket_width") + F("bucket_width")),
                violation_error_message=_("From start_offset to end_offset must be two buckets at least."),
            ),
            CheckConstraint(
                name="aggregate_keeps_what_it_refreshes",
                condition=Q(drop_after=None) | Q(drop_after__gte=F("start_offset")),
                violation_error_message=_("drop_after must not be below start_offset: a refresh would undo it."),
            ),
            CheckConstraint(
                name="aggregate_reads_another",
                condition=~Q(source=F("view_name")),
                violation_error_message=_("An aggregate can't read itself."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.view_name}: {spell(self.drop_after) if self.drop_after else 'kept'}"

    def clean(self) -> None:
        if None in (self.bucket_width, self.start_offset, self.end_offset, self.schedule_interval):
            return
        found = view_errors(self.wanted())
        if not found and (reach := reach_problems(self.view_name, tables=_tables(), views=_views(instead=self))):
            # Its own window or, where another reads it, how long it keeps.
            mine = any(problem.startswith(f"{self.view_name} ") for problem in reach)
            found = {"start_offset" if mine else "drop_after": " ".join(reach)}
        if found:
            raise ValidationError(dict(found))

    def wanted(self) -> WantedView:
        return WantedView(
            view=self.view_name,
            source=self.source,
            bucket_width=self.bucket_width,
            start_offset=self.start_offset,
            end_offset=self.end_offset,
            schedule_interval=self.schedule_interval,
            drop_after=self.drop_after,
            materialized_only=self.materialized_only,
        )


def _tables(*, instead: HypertablePolicy | None = None) -> list[WantedTable]:
    """Every row's wish; `instead` stands for its own row."""
    rows = HypertablePolicy.objects.exclude(pk=instead.pk) if instead else HypertablePolicy.objects.all()
    return [row.wanted() for row in rows] + ([instead.wanted()] if instead else [])


def _views(*, instead: AggregatePolicy | None = None) -> list[WantedView]:
    rows = AggregatePolicy.objects.exclude(pk=instead.pk) if instead else AggregatePolicy.objects.all()
    return [row.wanted() for row in rows] + ([instead.wanted()] if instead else [])


class RetentionRun(Run):
    """One table that beat dropped rows of, or tried to. TimescaleDB's own jobs keep their own history."""

    table_name = models.CharField(max_length=63, db_index=True)
    rows_dropped = models.BigIntegerField(default=0)
    chunks_dropped = models.IntegerField(default=0)
    enforced_by = models.CharField(max_length=30)

    def __str__(self) -> str:
        return f"{self.table_name} {super().__str__()}"

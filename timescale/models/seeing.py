"""What the console remembers of the tables: what it applied, graces that run, sizes over time, actions asked for.

Each is bounded: a line a policy and kind, a line a relation, and the newest so many (services.upkeep).
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import UniqueConstraint
from django.utils.translation import gettext_lazy as _

from tradeul_ops.runs import RunQuerySet


class AppliedSetting(models.Model):
    """What a server had when it was last as its row wanted: what differs since tells who changed it."""

    relation = models.CharField(max_length=63)
    kind = models.CharField(max_length=30)
    mark = models.CharField(max_length=500)
    drop_after = models.DurationField(null=True)  # of a retention, also where beat and no job enforces it
    applied_at = models.DateTimeField()
    differs_since = models.DateTimeField(null=True)  # when the reconciling task first saw it differ

    class Meta:
        constraints = [UniqueConstraint(fields=["relation", "kind"], name="applied_setting_once")]

    def __str__(self) -> str:
        return f"{self.relation} {self.kind}: {self.mark}"


class RetentionGrace(models.Model):
    """A bound that was shortened and does not act before `until`. `previous_drop_after` None: nothing was dropped."""

    relation = models.CharField(max_length=63, unique=True)
    previous_drop_after = models.DurationField(null=True)
    drop_after = models.DurationField()
    started_at = models.DateTimeField()
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.relation}: {self.drop_after} from {self.until:%Y-%m-%d %H:%M:%S} on"


class TableSample(models.Model):
    """How large a relation was. The empty name is the whole database."""

    relation = models.CharField(max_length=63)
    taken_at = models.DateTimeField()
    bytes = models.BigIntegerField(null=True)
    rows = models.BigIntegerField(null=True)
    chunks = models.IntegerField(null=True)

    objects: Any = RunQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["relation", "taken_at"], name="table_sample_relation")]

    def __str__(self) -> str:
        return f"{self.relation or 'database'} {self.taken_at:%Y-%m-%d %H:%M}: {self.bytes}"


class TableAction(models.Model):
    """Something an operator asked for that takes its time: queued, running, and how it ended."""

    class Verb(models.TextChoices):
        COMPRESS = "compress", _("compress now")
        DROP = "drop", _("drop now")
        REFRESH = "refresh", _("refresh a window")
        RUN_JOB = "run_job", _("run the job now")

    class Phase(models.TextChoices):
        QUEUED = "queued", _("waits for a worker")
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    relation = models.CharField(max_length=63, db_index=True)
    verb = models.CharField(max_length=10, choices=Verb.choices)
    arguments = models.JSONField(default=dict)
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=150)  # the name: it outlives the account
    phase = models.CharField(max_length=7, choices=Phase.choices, default=Phase.QUEUED)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    steps_done = models.IntegerField(default=0)
    steps_total = models.IntegerField(null=True)
    detail = models.TextField(blank=True)

    objects: Any = RunQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.relation}: {self.get_verb_display()}, {self.get_phase_display()}. {self.detail}"

    @property
    def open(self) -> bool:
        return self.phase in (self.Phase.QUEUED, self.Phase.RUNNING)

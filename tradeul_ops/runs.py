"""The row that every piece of background work leaves behind, and its pruning. Knows nothing of the work itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class Outcome(models.TextChoices):
    DONE = "done", "done"
    NOTHING = "nothing", _("nothing to do")
    PARTIAL = "partial", _("stopped before its end")
    FAILED = "failed", "failed"


class RunQuerySet(models.QuerySet[Any]):
    def prune(self, *, keep: int) -> int:
        """Deletes all but the newest `keep` rows of this set; returns how many went."""
        newest_to_go = self.order_by("-id").values_list("id", flat=True)[keep : keep + 1].first()
        if newest_to_go is None:
            return 0
        return self.filter(id__lte=newest_to_go).delete()[0]


class Run(models.Model):
    """One run of something: when, how it ended, and in `detail` the sentence for the person who looks."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    detail = models.TextField(blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ("-id",)
        get_latest_by = "id"

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S} {self.outcome}: {self.detail}"

    @property
    def took_ms(self) -> float:
        started: datetime = self.started_at
        return (self.finished_at - started).total_seconds() * 1000

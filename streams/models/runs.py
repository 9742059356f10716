"""What each trim did, and the running totals."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q

from streams.engine.trimming import bytes_freed
from tradeul_ops.runs import Run


class TrimRun(Run):
    """One trim that removed something, or one failure and how long it lasted; with `stream` empty, of the whole sweep.

    Bytes are the server's estimates. `forced` is the part of `trimmed` that the ceiling took although a group may still
    have needed it (at most); `losses` says what each group lost by it, {group: {undelivered, pending}}, undelivered
    null where the server can't say. `stopped`: why it went no further.

    `by_others`: what producers' own XADD cut, or somebody's XTRIM, and groups had not read; from readings before and
    after it, so the times are those. Where the server does not count, `trimmed` is 0.
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
    losses = models.JSONField(default=dict, blank=True)
    stopped = models.CharField(max_length=20, blank=True, default="")
    duration_us = models.BigIntegerField(default=0)
    by_others = models.BooleanField(default=False, db_default=False)

    class Meta(Run.Meta):
        indexes = (models.Index("stream", F("id").desc(), name="trim_run_of_stream"),)

    @property
    def bytes_freed(self) -> int | None:
        return bytes_freed(self.bytes_before, self.bytes_after)


class Enforcement(models.Model):
    """The one row that says when limits were last enforced, and what that removed since install: history is pruned.

    `forced` also counts what groups lost to others' trims. `sampled_to`: the newest TrimRun when samples were last
    taken. `nameless`: engine.nameless.as_record's. `under_way`: trims that are begun and not on record; see
    services.under_way.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    ran_at = models.DateTimeField(null=True)
    trims = models.BigIntegerField(default=0, db_default=0)
    trimmed = models.BigIntegerField(default=0, db_default=0)
    forced = models.BigIntegerField(default=0, db_default=0)
    bytes_trimmed = models.BigIntegerField(default=0, db_default=0)
    sampled_to = models.BigIntegerField(default=0, db_default=0)
    nameless = models.JSONField(default=dict, db_default={}, blank=True)
    under_way = models.JSONField(default=dict, db_default={}, blank=True)

    class Meta:
        constraints = (models.CheckConstraint(name="enforcement_is_one_row", condition=Q(id=1)),)

    def __str__(self) -> str:
        return f"enforced at {self.ran_at}"

    @staticmethod
    def note(**said: Any) -> None:
        """Into the one row, which it makes where there is none; also where another task does so at this moment."""
        if not Enforcement.objects.filter(id=1).update(**said):
            Enforcement.objects.bulk_create(
                [Enforcement(id=1, **said)], update_conflicts=True, update_fields=list(said), unique_fields=["id"]
            )

"""Rows: what each stream was like, every ten seconds, thinned with age. Talks to no Redis."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from streams.engine import samples


class StreamSample(models.Model):
    """One stream at one tick. All samples of a tick share `at`, and `mark`: how coarse a history they are part of.

    `groups` is engine.samples.pack_groups'. What the server could not say is NULL. A stream that is absent, or can't
    be read, has no sample: a gap, not a zero.
    """

    stream = models.CharField(max_length=512)
    at = models.DateTimeField()
    mark = models.SmallIntegerField()
    length = models.BigIntegerField()
    bytes = models.BigIntegerField(null=True)
    entries_added = models.BigIntegerField(null=True)
    first_id = models.CharField(max_length=48, null=True)  # NULL: it holds no entry
    groups = models.JSONField(default=list)

    class Meta:
        ordering = ("at",)
        get_latest_by = "at"
        default_permissions = ()
        permissions = (("destroy_group", "Can destroy a consumer group"),)
        constraints = (
            models.UniqueConstraint(fields=("stream", "at"), name="stream_sample_once_a_tick"),
            models.CheckConstraint(name="stream_sample_mark", condition=Q(mark__in=tuple(samples.KEPT_FOR))),
        )
        indexes = (
            models.Index("mark", "at", name="stream_sample_to_prune"),
            # What every page draws an hour from: a sixth of the rows.
            models.Index("stream", "at", name="stream_sample_minutes", condition=Q(mark__gte=samples.MINUTE)),
        )

    def __str__(self) -> str:
        return f"{self.stream} at {self.at:%Y-%m-%d %H:%M:%S}: {self.length:,}"

    @property
    def sample(self) -> samples.Sample:
        return samples.Sample(
            at=self.at,
            length=self.length,
            bytes=self.bytes,
            entries_added=self.entries_added,
            first_id=self.first_id,
            groups=samples.unpack_groups(self.groups),
        )

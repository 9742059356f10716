"""Streams that the console knows of: found on the server, or named by a limit. Holds none of their entries."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Stream(models.Model):
    """When its limit acts on it next, and what holds it. `seen_at` None: a limit names it, and it was never there."""

    name = models.CharField(max_length=512, unique=True)
    first_seen_at = models.DateTimeField(db_default=Now(), editable=False)
    seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    # NULL: at the next chance, and without waiting for trim_threshold, because it is new or its limit was edited.
    due_at = models.DateTimeField(null=True, blank=True, editable=False)
    held_by = models.TextField(blank=True, default="", db_default="", editable=False)  # as the last trim found it

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

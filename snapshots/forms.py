"""A policy's form. The rules are the row's own constraints; this saves nothing."""

from __future__ import annotations

from typing import Any

from django import forms

from snapshots.models import SnapshotPolicy
from snapshots.services import EDITABLE
from tradeul_ops.forms import SharedForm


class SnapshotPolicyForm(SharedForm):
    """Every field that an operator edits."""

    class Meta:
        model = SnapshotPolicy
        fields = EDITABLE
        widgets = {"note": forms.Textarea(attrs={"rows": 3})}

    def changes(self) -> dict[str, Any]:
        """What services.update_policy is to save: the fields that were changed here, and no other."""
        return {name: self.cleaned_data[name] for name in self.changed_data}

"""A policy's form. The rules are the row's own constraints; this saves nothing."""

from __future__ import annotations

from typing import Any

from django import forms

from snapshots.models import SnapshotPolicy
from snapshots.services import EDITABLE


class SnapshotPolicyForm(forms.ModelForm):
    """Every field that an operator edits."""

    class Meta:
        model = SnapshotPolicy
        fields = EDITABLE
        widgets = {"note": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            # What changed is what differs from what this page showed, not from what someone else has saved since.
            for field in self.fields.values():
                field.show_hidden_initial = True

    def changes(self) -> dict[str, Any]:
        """What services.update_policy is to save: the fields that were changed here, and no other."""
        return {name: self.cleaned_data[name] for name in self.changed_data}

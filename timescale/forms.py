"""Forms of the two kinds of policies: names are the server's and stay; the rules come from the rows' constraints."""

from __future__ import annotations

from typing import Any

from django import forms

from timescale.models import AggregatePolicy, HypertablePolicy


class PolicyForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What changed is what differs from what this page showed, not from what someone else has saved since.
        for field in self.fields.values():
            field.show_hidden_initial = True

    def changes(self) -> dict[str, Any]:
        """What services.update_policy is to save: the fields that were changed here, and no other."""
        return {name: self.cleaned_data[name] for name in self.changed_data}


class HypertablePolicyForm(PolicyForm):
    class Meta:
        model = HypertablePolicy
        fields = [
            "chunk_time_interval",
            "drop_after",
            "retention_schedule_interval",
            "columnstore_after",
            "columnstore_schedule_interval",
            "segmentby",
            "orderby",
            "enabled",
        ]


class AggregatePolicyForm(PolicyForm):
    class Meta:
        model = AggregatePolicy
        fields = ["start_offset", "end_offset", "schedule_interval", "drop_after", "materialized_only"]

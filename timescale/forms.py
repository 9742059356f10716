"""Forms of the two kinds of policies, for the pages and for admin: names are the server's and stay. Save nothing."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from timescale import services
from timescale.engine.loss import DropPreview
from timescale.models import AggregatePolicy, HypertablePolicy
from timescale.store.errors import TimescaleError
from tradeul_ops.forms import SharedForm


class PolicyForm(SharedForm):
    """`in_force`: the values that the database has instead of the row's. They are what is shown, and kept."""

    def __init__(self, *args: Any, in_force: dict[str, Any] | None = None, **kwargs: Any) -> None:
        row = kwargs.get("instance")
        shown = {
            name: value
            for name, value in (in_force or {}).items()
            if name in self._meta.fields and value != getattr(row, name, None)
        }
        super().__init__(*args, initial={**shown, **(kwargs.pop("initial", None) or {})}, **kwargs)
        for name, field in self.fields.items():
            if name in shown:
                field.help_text = gettext(
                    "The database has another value than the policy's, and this is it. {help_text}"
                ).format(help_text=field.help_text)

    def changes(self) -> dict[str, Any]:
        """What services.update_policy is to save: the fields that were changed here, and no other."""
        columns = {field.name for field in self._meta.model._meta.fields}  # admin's forms have a field more
        return {name: self.cleaned_data[name] for name in self.changed_data if name in columns}


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

    def _post_clean(self) -> None:
        """Also what only the table can say: whether it has the columns that were named."""
        super()._post_clean()
        if self.errors or not {"segmentby", "orderby"} & set(self.changed_data):
            return
        try:
            found = services.read_column_errors(self.instance.wanted())
        except TimescaleError:
            return  # the service asks again when it saves
        for name, message in found.items():
            self.add_error(name, message)


class AggregatePolicyForm(PolicyForm):
    class Meta:
        model = AggregatePolicy
        fields = ["start_offset", "end_offset", "schedule_interval", "drop_after", "materialized_only"]


class _WithConsent(forms.ModelForm):
    """For admin, which shows no preview: the error tells it, and what to write to agree."""

    consent = forms.CharField(
        required=False, help_text=gettext_lazy("Only when it is asked for: that what is dropped may go.")
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        self.consent_given = cleaned.pop("consent", "")
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()
        if self.errors:
            return
        preview: DropPreview | None = services.preview_change(self.instance, self.changes(), now=timezone.now())
        if preview is not None and not preview.allowed_by(self.consent_given):
            said = " ".join((preview.sentence, *preview.starved))
            self.add_error(
                "consent",
                gettext("{said} To save it nevertheless, write {consent} here.").format(
                    said=said, consent=preview.consent
                ),
            )


class AdminHypertablePolicyForm(_WithConsent, HypertablePolicyForm):
    pass


class AdminAggregatePolicyForm(_WithConsent, AggregatePolicyForm):
    pass

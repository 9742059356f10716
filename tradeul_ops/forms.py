"""A form that two people may have open at once: saves what was changed in it, and shows both where they meet."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext


class SharedForm(forms.ModelForm):
    """What changed is what differs from what the page showed, not from what someone else has saved since: otherwise
    saving a note would put an old limit back. A field that both changed is refused once, with both values.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.show_hidden_initial = self.instance.pk is not None
            # A preview tells errors away from their fields.
            field.error_messages["required"] = gettext("{name} is missing.").format(name=name)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in self.changed_data:
            if name in cleaned:
                self._show_both(name, cleaned[name])
        return cleaned

    def _show_both(self, name: str, mine: Any) -> None:
        field, key = self.fields[name], self.add_initial_prefix(name)
        if not field.show_hidden_initial or key not in self.data:
            return
        hidden = field.hidden_widget()
        try:
            shown = field.to_python(hidden.value_from_datadict(self.data, self.files, key))
        except ValidationError:  # no page of ours wrote it
            return
        saved = field.to_python(self.get_initial_for_field(field, name))
        if _plain(saved) in (_plain(shown), _plain(mine)):
            return
        spelled = [hidden.format_value(field.prepare_value(value)) for value in (saved, shown, mine)]
        self.data = self.data.copy()
        self.data[key] = spelled[0]  # from now on that is what was shown
        words = [gettext("no value") if value in (None, "") else f"“{value}”" for value in spelled]
        said = gettext(
            "Someone saved {saved} meanwhile; this page had shown {shown}. Save again to have {mine} instead."
        )
        self.add_error(name, said.format(saved=words[0], shown=words[1], mine=words[2]))


def _plain(value: Any) -> Any:
    """A browser sends every line of a text with another end than it got."""
    return "\n".join(value.splitlines()) if isinstance(value, str) else value

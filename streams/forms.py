"""A limit's forms, for the pages and for admin. Judge by engine.rules, put errors under their fields, save nothing."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from streams import services
from streams.engine.changes import ChangePreview
from streams.engine.limits import BOUNDING, JUDGED, bounds_errors, with_maxlen
from streams.engine.rules import Rule, pattern_error
from streams.help_texts import HELP_TEXTS
from streams.models import StreamLimit
from tradeul_ops.forms import SharedForm

MOVED = ("trim_threshold", "hard_maxlen")


class StreamLimitForm(SharedForm):
    """Every field that an operator edits."""

    class Meta:
        model = StreamLimit
        fields = services.EDITABLE
        help_texts = HELP_TEXTS
        widgets = {"note": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "pattern" in self.fields:  # not for who may only look, in admin
            self.fields["pattern"].strip = False  # a key may end with a space, and is another one without it

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        errors = bounds_errors(**{name: cleaned.get(name) for name in JUDGED})
        if BOUNDING & set(self.errors):  # misspelt, not absent
            errors = {name: message for name, message in errors.items() if name not in BOUNDING}
        if "pattern" in cleaned and (message := pattern_error(cleaned["pattern"]) or self._twin(cleaned)):
            errors["pattern"] = message
        for name, message in errors.items():
            if name not in self.errors:
                self.add_error(name, message)
        return cleaned

    def _twin(self, cleaned: dict[str, Any]) -> str | None:
        pattern, is_ceiling = cleaned["pattern"], cleaned.get("is_ceiling", False)
        twin = StreamLimit.objects.filter(pattern=pattern, is_ceiling=is_ceiling).exclude(pk=self.instance.pk)
        return (
            gettext("{pattern} has a {value} already.").format(
                pattern=pattern, value="ceiling" if is_ceiling else "limit"
            )
            if twin.exists()
            else None
        )

    def changes(self) -> dict[str, Any]:
        """What services.update_limit is to save: the fields that were changed here, and no other."""
        return {name: self.cleaned_data[name] for name in self.changed_data if name in services.EDITABLE}


class AdminLimitForm(StreamLimitForm):
    """The same with the agreement to a loss in a field: admin shows no preview, so the error tells it."""

    accepted_loss = forms.IntegerField(
        required=False,
        min_value=0,
        help_text=gettext_lazy("How many entries this may take from groups. Only when it is asked for."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and not (preview := self._preview()).allowed_by(cleaned["accepted_loss"] or 0):
            agree = gettext("To save it nevertheless, write {consent} here.").format(consent=preview.consent)
            self.add_error("accepted_loss", f"{preview.sentence} {agree}")
        return cleaned

    def _preview(self) -> ChangePreview:
        if self.instance.pk:
            return services.preview_limit(self.instance.pk, self.changes(), now=timezone.now())
        values = {name: self.cleaned_data[name] for name in services.EDITABLE}
        return services.preview_rule(None, StreamLimit(**values).rule, now=timezone.now())


class AcceptedLoss(forms.Form):
    """What a person agreed to lose: the number that the preview showed them, 0 where they did not."""

    accepted_loss = forms.IntegerField(required=False, min_value=0)

    @property
    def number(self) -> int:
        return (self.is_valid() and self.cleaned_data["accepted_loss"]) or 0


class MaxlenForm(SharedForm):
    """maxlen alone, edited in its row. Where threshold or ceiling would come to lie below, they move in proportion."""

    class Meta:
        model = StreamLimit
        fields = ("maxlen",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before: Rule = self.instance.rule
        self.after: Rule = self.before

    def clean_maxlen(self) -> int:
        maxlen = self.cleaned_data["maxlen"]
        if maxlen is None:
            raise forms.ValidationError(gettext("A number is needed here; the limit's own page can do without."))
        only = dict.fromkeys(JUDGED) | {"maxlen": maxlen}
        if message := bounds_errors(**only).get("maxlen"):
            raise forms.ValidationError(message)
        self.after = with_maxlen(self.before, maxlen=maxlen)
        return maxlen

    @property
    def shown(self) -> Any:
        """What the page had shown for maxlen, for its template, which writes the field by hand."""
        return self.data.get(self.add_initial_prefix("maxlen"), self.before.maxlen)

    def changes(self) -> dict[str, Any]:
        return {name: new for name, (_, new) in self._moves().items()}

    def saved_sentence(self) -> str:
        """“maxlen 1,000 → 1,500; with it trim_threshold 1,200 → 1,800.”"""
        moves = [
            f"{name} {new:,}" if old is None else f"{name} {old:,} → {new:,}"
            for name, (old, new) in self._moves().items()
        ]
        if not moves:
            return gettext("maxlen stays {maxlen}.").format(maxlen=f"{self.before.maxlen:,}")
        return f"{moves[0]}{'; with it ' if moves[1:] else ''}{' and '.join(moves[1:])}."

    def _moves(self) -> dict[str, tuple[int | None, int]]:
        pairs = {name: (getattr(self.before, name), getattr(self.after, name)) for name in ("maxlen", *MOVED)}
        return {name: (old, new) for name, (old, new) in pairs.items() if old != new}

"""The audit as a page of values: who changed what, when, from what to what, and what it did. Changes nothing.

A page costs the same number of queries whatever stands on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.http import urlencode

from snapshots.models import SnapshotPolicy
from streams.engine.patterns import literal_name
from streams.engine.prediction import Prediction, prediction_from
from streams.models import StreamLimit
from streams.services.edits import EDITABLE
from streams.services.effects import Effect, Step, read_effects
from timescale.models import AggregatePolicy, HypertablePolicy
from tradeul_ops import audit

PER_PAGE = 50
APPS = ("streams", "snapshots", "timescale")
# Of which model a person may take a change back here, and where its object lives.
PAGES = {
    StreamLimit: "streams:limit",
    SnapshotPolicy: "snapshots:policy",
    HypertablePolicy: "hypertables:table",
    AggregatePolicy: "hypertables:aggregate",
}


@dataclass(frozen=True)
class Change:
    """`moves` is (field, old, new) where values were recorded; else `said` is the sentence that was.

    `link` is empty where the object is gone; `key` selects the object's own changes.
    """

    id: int
    at: datetime
    by: str
    kind: str
    name: str
    key: str
    link: str
    what: str
    moves: tuple[tuple[str, Any, Any], ...]
    said: str
    revertible: bool
    effect: Effect | None
    prediction: Prediction | None

    @property
    def steps(self) -> tuple[tuple[Step, str], ...]:
        """Each step of the effect, and why it is other than predicted: empty where it is not, or nobody knows."""
        steps = self.effect.steps if self.effect else ()
        return tuple((step, self._why(step)) for step in steps)

    def _why(self, step: Step) -> str:
        return self.prediction.why_other(step.measured.length) if self.prediction and step.measured else ""


@dataclass(frozen=True)
class Changes:
    """One page of them. `of` and `by`: what was asked for in the address, as far as it was understood."""

    page: Page[LogEntry]
    rows: tuple[Change, ...]
    of: str
    of_name: str
    by: str
    users: tuple[str, ...]
    read_at: datetime


def read_changes(*, of: str, by: str, number: str | None, now: datetime) -> Changes:
    """`of` is model.id, such as streamlimit.7, or "task"; `by` a user's name. Neither understood is as if not there."""
    kinds = ContentType.objects.get_for_models(*PAGES)
    ours = LogEntry.objects.filter(Q(content_type__app_label__in=APPS) | Q(content_type=None))
    entries, of = _of(ours, of)
    users = tuple(ours.order_by().values_list("user__username", flat=True).distinct()[:200])
    by = by if by in users else ""
    if by:
        entries = entries.filter(user__username=by)
    page = Paginator(entries.select_related("user", "content_type").order_by("-id"), PER_PAGE).get_page(number)
    lines = list(page.object_list)
    effects = read_effects(dict(_on_one_stream(lines, kinds[StreamLimit])), now=now)
    there = {model: _there(lines, model, kind) for model, kind in kinds.items()}
    links = {
        kinds[model].pk: {str(pk): reverse(PAGES[model], args=[pk]) for pk in found} for model, found in there.items()
    }
    rows = tuple(_change(line, links, effects, limits=kinds[StreamLimit]) for line in lines)
    name = rows[0].name if of and rows else of
    return Changes(page, rows, of, name, by, users, now)


def address_of(row: StreamLimit | SnapshotPolicy | HypertablePolicy | AggregatePolicy) -> str:
    """The page with this object's changes alone."""
    return f"{reverse('changes')}?{urlencode({'of': f'{row._meta.model_name}.{row.pk}'})}"


def _of(entries: QuerySet[LogEntry], said: str) -> tuple[QuerySet[LogEntry], str]:
    if said == "task":
        return entries.filter(content_type=None), said
    model, _, number = said.partition(".")
    if not model or not number.isdecimal():
        return entries, ""
    return entries.filter(content_type__model=model, object_id=number), said


def _there(lines: Sequence[LogEntry], model: Any, kind: ContentType) -> set[int]:
    """Which of the objects on the page are still there."""
    ids = {int(line.object_id or 0) for line in lines if line.content_type_id == kind.pk}
    return set(model.objects.filter(pk__in=ids).values_list("pk", flat=True))


def _on_one_stream(lines: Iterable[LogEntry], limits: ContentType) -> Iterable[tuple[int, tuple[str, datetime]]]:
    """A pattern of many streams has no one length to measure; its streams' own pages do."""
    for line in lines:
        if line.content_type_id == limits.pk and (stream := literal_name(_pattern(line))):
            yield line.pk, (stream, line.action_time)


def _pattern(line: LogEntry) -> str:
    """As the change left it, where it says so; else as the line names the limit."""
    old, new = audit.values_of(line).get("pattern", (None, None))
    return str(new or old or line.object_repr)


def _change(
    line: LogEntry, links: dict[int, dict[str, str]], effects: dict[int, Effect], *, limits: ContentType
) -> Change:
    values = audit.values_of(line)
    kind, model = line.content_type, line.content_type.model_class() if line.content_type else None
    of_limit = line.content_type_id == limits.pk
    moves = tuple((name, _value(model, name, old), _value(model, name, new)) for name, (old, new) in values.items())
    effect = effects.get(line.pk)
    return Change(
        id=line.pk,
        at=line.action_time,
        by=line.user.get_username(),
        kind=str(model._meta.verbose_name) if model else "task",
        name=line.object_repr,
        key=f"{kind.model}.{line.object_id}" if kind else "task",
        link=links.get(line.content_type_id or 0, {}).get(line.object_id or "", "" if kind else reverse("jobs")),
        what=audit.WORDS[line.action_flag] if kind else "ran",
        moves=tuple((name, old, new) for name, old, new in moves if old != new),
        said=line.get_change_message(),
        revertible=of_limit and any(name in EDITABLE for name in values),
        effect=effect if effect and effect.known else None,
        prediction=prediction_from(audit.predicted_of(line)),
    )


def _value(model: Any, name: str, said: Any) -> Any:
    """As a person reads it: the audit keeps durations as seconds."""
    field = {field.name: field for field in model._meta.concrete_fields}.get(name) if model else None
    is_duration = field is not None and field.get_internal_type() == "DurationField"
    return timedelta(seconds=said) if is_duration and isinstance(said, int | float) else said

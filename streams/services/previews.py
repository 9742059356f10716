"""Says what a change of limits would do, before it is made. Changes nothing; edits.py asks again when it saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from streams import store
from streams.engine.changes import ChangePreview, StreamChange, stream_changes
from streams.engine.limits import Limit
from streams.engine.loss import LossPreview, needs_cut, preview_loss, unreadable
from streams.engine.patterns import matches
from streams.engine.rules import Rule, Rules, rivals, rule_errors
from streams.engine.state import StreamState
from streams.engine.trend import inflow_per_hour
from streams.engine.warnings import warnings_of
from streams.models import StreamLimit
from streams.services.rules import known_streams, load_rules
from streams.services.samples import recent_samples
from tradeul_ops.connections import data_redis

# Finding where a cap would cut steps along the stream. Beyond so many streams their loss is bounded by lag alone.
CUTS_LOOKED_FOR = 50
INFLOWS_LOOKED_AT = 50  # streams of the pattern whose last hour is read for a warning
LOOKED_INTO_WHILE_TYPING = 200
Lengths = Mapping[str, store.Length | store.StreamError]
_ALL = 2**64  # sorts before any number


class LossRefused(ValidationError):
    """The change would lose entries that a group still needs, more than was agreed to; `preview` says which."""

    def __init__(self, preview: ChangePreview, *, accepted_loss: int) -> None:
        grew = (
            gettext("more than what was agreed to") if accepted_loss else gettext("entries that a group may still need")
        )
        super().__init__(
            gettext("Not saved, it would lose {grew}. {sentence}").format(grew=grew, sentence=preview.sentence),
            code="loss",
        )
        self.preview = preview


def preview_limit(
    limit_id: int, changes: Mapping[str, Any], *, now: datetime, most: int | None = None
) -> ChangePreview:
    """What saving `changes` would do. Raises StreamLimit.DoesNotExist, and ValidationError by field."""
    row = StreamLimit.objects.get(pk=limit_id)
    old = row.rule
    for name, new in changes.items():
        setattr(row, name, new)
    return preview_rule(old, row.rule, now=now, most=most)


def preview_rule(old: Rule | None, new: Rule | None, *, now: datetime, most: int | None = None) -> ChangePreview:
    """One rule changed, added (`old` None) or removed (`new` None). Raises ValidationError by field.

    `most`: so many streams are looked into, the longest; of the others only the length is read. None: into all.
    """
    if new is not None and (errors := rule_errors(new)):
        raise ValidationError(dict(errors))
    before = load_rules()
    kept = [rule for rule in before.by_key.values() if old is None or rule.key != old.key]
    after = Rules([*kept, new] if new else kept)
    return preview_rules(before, after, edited=new or old, now=now, most=most)


def preview_loss_of(stream: str, *, old: Limit | None, new: Limit, now: datetime) -> LossPreview:
    """What one stream loses by `new`. A Redis that is away makes it unknown, not an error."""
    try:
        state = store.read_states(data_redis(), [stream], newest_of=[stream])[stream]
        if isinstance(state, store.StreamError):
            raise state
        return _asked(state, old=old, new=new, step=True, now=now)
    except store.WrongType as error:
        return unreadable(old=old, new=new, problem=str(error), is_stream=False)
    except store.StoreError as error:
        return unreadable(old=old, new=new, problem=str(error))


def preview_rules(
    before: Rules, after: Rules, *, edited: Rule | None, now: datetime, most: int | None = None
) -> ChangePreview:
    """A Redis that is away makes the preview unknown, not an error."""
    streams = {*known_streams(), *before.exact_streams, *after.exact_streams}
    changes = stream_changes(before, after, streams=streams)
    matched = sorted(name for name in streams if edited and matches(edited.pattern, name))
    is_glob = edited is not None and edited.stream is None
    asked = [change for change in changes if change.changes_limit and change.new.limit]
    lengths: Lengths = {}
    states: Mapping[str, StreamState | store.StreamError] | store.StoreError
    try:
        lengths = _lengths(matched if is_glob else (), asked if most is not None and len(asked) > most else ())
        looked_into = _longest(asked, lengths, most)
        states = _read([change.stream for change in looked_into], after)
    except store.StoreError as error:
        looked_into, states = asked[:most], error
    losses = [_loss(change, states, number=number, now=now) for number, change in enumerate(looked_into)]
    entries, size = _sums(matched, lengths) if is_glob else (None, None)
    return ChangePreview(
        matched=tuple(matched),
        entries=entries,
        bytes=size,
        changes=changes,
        losses=tuple(sorted(losses, key=lambda loss: -(_ALL if loss.at_most is None else loss.at_most))),
        not_looked_into=len(asked) - len(looked_into),
        warnings=_warnings(edited, after, streams=streams, matched=matched, now=now),
        is_glob=is_glob,
    )


def _lengths(matched: Sequence[str], asked: Sequence[StreamChange]) -> Lengths:
    names = list(dict.fromkeys([*matched, *(change.stream for change in asked)]))
    return store.read_lengths(data_redis(), names, sized=matched) if names else {}


def _longest(asked: Sequence[StreamChange], lengths: Lengths, most: int | None) -> Sequence[StreamChange]:
    """Those that have most to lose."""
    if most is None or len(asked) <= most:
        return asked
    return sorted(asked, key=lambda change: -_length(lengths[change.stream]))[:most]


def _length(said: store.Length | store.StreamError) -> int:
    return said.length if isinstance(said, store.Length) else 0


def _read(names: Sequence[str], rules: Rules) -> dict[str, StreamState | store.StreamError]:
    measured = [name for name in names if (limit := rules.limit_of(name)) and limit.max_bytes]
    return store.read_states(data_redis(), names, newest_of=measured) if names else {}


def _sums(matched: Sequence[str], lengths: Lengths) -> tuple[int | None, int | None]:
    """Entries and bytes of all; None where one of them could not be read."""
    read = [said for name in matched if isinstance(said := lengths.get(name), store.Length)]
    if len(read) < len(matched):
        return None, None
    sizes = [said.bytes if said.length else 0 for said in read]
    return sum(said.length for said in read), None if None in sizes else sum(filter(None, sizes))


def _loss(
    change: StreamChange,
    states: Mapping[str, StreamState | store.StreamError] | store.StoreError,
    *,
    number: int,
    now: datetime,
) -> LossPreview:
    old, new = change.old.limit, change.new.limit
    assert new is not None  # whoever asks took care
    try:
        if isinstance(states, store.StoreError):
            raise states
        state = states[change.stream]
        if isinstance(state, store.StreamError):
            raise state
        return _asked(state, old=old, new=new, step=number < CUTS_LOOKED_FOR, now=now)
    except store.WrongType as error:
        return unreadable(old=old, new=new, problem=str(error), is_stream=False)
    except store.StoreError as error:
        return unreadable(old=old, new=new, problem=str(error))


def _asked(state: StreamState, *, old: Limit | None, new: Limit, step: bool, now: datetime) -> LossPreview:
    client, keep = data_redis(), needs_cut(state, limit=new) if step else None
    idle = new.ignore_groups_idle_for if new.enabled and new.protect_groups else None
    return preview_loss(
        state,
        old=old,
        new=new,
        now=now,
        cut=None if keep is None else store.read_cut(client, state, keep=keep),
        oldest_pending=store.read_oldest_pending(client, state) if new.protect_groups and step else {},
        ignored=_ignored(client, state, idle, step=step),
    )


def _ignored(client: Any, state: StreamState, idle: timedelta | None, *, step: bool) -> frozenset[str]:
    """Groups that may not be waited for; of streams that are not looked into, all of them."""
    if idle is None:
        return frozenset()
    if not step:
        return frozenset(group.name for group in state.groups)
    asked = {state.stream: [group.name for group in state.groups if group.consumers]}
    since = store.read_idle(client, asked)[state.stream]
    return frozenset(name for name, span in since.items() if span is not None and span >= idle)


def _warnings(
    edited: Rule | None, after: Rules, *, streams: set[str], matched: Sequence[str], now: datetime
) -> tuple[str, ...]:
    if edited is None:
        return ()
    recent = recent_samples(matched[:INFLOWS_LOOKED_AT], now=now) if edited.protect_groups else {}
    inflows = {stream: rate for stream, series in recent.items() if (rate := inflow_per_hour(series)) is not None}
    return warnings_of(edited, rivals=rivals(edited, after.by_key.values(), streams=streams), inflows=inflows)

"""All streams at a glance: lengths as they are now, the rest as last sampled. For what tells of many and shows few.

A stream's whole state costs ten times its XLEN, here and on the server: a page reads those that it shows, see summary.
The cost is one round trip and three queries, however many streams there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q

from streams import store
from streams.engine.condition import Condition, condition_of
from streams.engine.plan import in_entries
from streams.engine.rules import Effective, Rule, Rules
from streams.engine.state import StreamState
from streams.models import Stream, TrimRun
from streams.services.newest import NewestSample, newest_samples
from streams.services.rules import FOUND_WITHIN
from tradeul_ops.runs import Outcome

WORST = {"over": 0, "unknown": 1, "attention": 2, "within": 3}
NOT_ASKED = Condition("unknown", "")


class Known(NamedTuple):
    """A stream's row. `seen`: by one of the last scans; a stream that was deleted is forgotten only after a day."""

    name: str
    id: int
    held_by: str
    seen: bool | None


Limited = tuple[Known, Effective]


@dataclass(frozen=True, slots=True)
class Glance:
    """One limited stream. None is unknown: `length` where it is no stream; `bytes` and `lag` where nothing sampled it.

    `own`: the pattern of the limit that holds. `maxlen` is in entries also where max_bytes gives it, by the mean size
    of an entry. Without a judgement `condition` is unknown and `why` empty.
    """

    stream: str
    own: str
    limit_id: int
    enabled: bool
    held_by: str
    length: int | None
    maxlen: int | None
    usage_ratio: float | None
    bytes: int | None = None
    sample: NewestSample | None = None
    condition: str = "unknown"
    why: str = ""

    @property
    def lag(self) -> int | None:
        """The largest of its groups'."""
        return self.sample.largest_lag if self.sample else None


def known_streams(rules: Rules, *, now: datetime) -> list[Known]:
    """Those remembered, and those that a limit names; ordered by name."""
    # Asked as a yes or no: to read a time of each stream cost as much as all the rest of it.
    rows = Stream.objects.order_by().annotate(seen=Q(seen_at__gt=now - FOUND_WITHIN))
    found = {row[0]: Known(*row) for row in rows.values_list("name", "id", "held_by", "seen")}
    found |= {name: Known(name, 0, "", None) for name in rules.exact_streams if name not in found}
    return [found[name] for name in sorted(found)]


def limited_streams(known: Iterable[Known], *, rules: Rules) -> tuple[list[Limited], list[Known]]:
    """Those that a limit is for, with that; and those that none is for."""
    limited, others = [], []
    for one in known:
        if (effective := rules.alike(one.name)).limit is None:
            others.append(one)
        else:
            limited.append((one, effective))
    return limited, others


def read_glances(
    client: Any,
    limited: Sequence[Limited],
    *,
    ids: Mapping[str, int],
    judged: bool,
    enforced: bool,
    near: bool = False,
    now: datetime,
) -> list[Glance]:
    """Of those that are there, in their order. Raises store.StoreUnavailable.

    `judged`: with bytes, lag and condition, which take the last tick's samples; else what is in a name and a length.
    `near`: only those are asked how long they are now that were half as long as they may be, or that nobody sampled.
    """
    newest = newest_samples(now=now) if judged else {}
    unsized = [one.name for one, _ in limited if one.name not in newest] if judged else []
    asked = [pair for pair in limited if not near or _is_near(*pair, newest.get(pair[0].name))]
    lengths = store.read_lengths(client, [one.name for one, _ in asked], sized=unsized)
    lengths |= {name: store.Length(one.length, one.bytes) for name, one in newest.items() if name not in lengths}
    # Without a sample only a whole state says how old the oldest entry is.
    aged = [one.name for one, held in limited if judged and _has_age(held) and one.name not in newest]
    states = store.read_states(client, aged)
    shown = [pair for pair in limited if is_there(*pair, lengths[pair[0].name])]
    above = _ended_above(shown, lengths) if judged else set()
    return [
        _glance(
            one,
            effective,
            lengths[one.name],
            state=states.get(one.name),
            sample=newest.get(one.name),
            limit_id=ids[_holding(effective).key],
            judge=(enforced, one.name in above) if judged else None,
            now=now,
        )
        for one, effective in shown
    ]


def present(client: Any, limited: Sequence[Limited]) -> list[Limited]:
    """Those that are there, without reading those that a limit names or a scan saw lately."""
    unsure = [pair[0].name for pair in limited if not _expected(*pair)]
    lengths = store.read_lengths(client, unsure)
    return [pair for pair in limited if is_there(*pair, lengths.get(pair[0].name))]


def is_there(one: Known, effective: Effective, said: store.Length | store.StreamError | None) -> bool:
    """One that a pattern matched once, and that is gone, is no longer anybody's concern; one that a limit names is."""
    return _expected(one, effective) or isinstance(said, store.StreamError) or (said is not None and said[0] > 0)


def _expected(one: Known, effective: Effective) -> bool:
    return bool(one.seen) or (effective.own is not None and effective.own.stream is not None)


def _is_near(one: Known, effective: Effective, sample: NewestSample | None) -> bool:
    """A sample is ten seconds old. By max_bytes, nobody knows how long it may be before its size is known."""
    limit = effective.limit
    return sample is None or limit is None or limit.max_bytes is not None or 2 * sample.length >= limit.starts_at


def _has_age(effective: Effective) -> bool:
    return effective.limit is not None and effective.limit.max_age is not None


def _holding(effective: Effective) -> Rule:
    return effective.own or effective.ceilings[0]


def _glance(
    one: Known,
    effective: Effective,
    said: store.Length | store.StreamError,
    *,
    state: StreamState | store.StreamError | None,
    sample: NewestSample | None,
    limit_id: int,
    judge: tuple[bool, bool] | None,
    now: datetime,
) -> Glance:
    limit = effective.limit
    assert limit is not None  # whoever asks took care
    if isinstance(said, store.StreamError):
        condition, length, maxlen = Condition("unknown", str(said)), None, limit.maxlen
    else:
        if not isinstance(state, StreamState):
            state = _state(one, said, sample, now)
        length, maxlen, condition = said.length, in_entries(limit, state=state).maxlen, NOT_ASKED
        if judge is not None:
            enforced, above = judge
            held_by = one.held_by or None
            condition = condition_of(state, limit=limit, held_by=held_by, enforced=enforced, ended_above=above)
    return Glance(
        stream=one.name,
        own=_holding(effective).pattern,
        limit_id=limit_id,
        enabled=limit.enabled,
        held_by=one.held_by,
        length=length,
        maxlen=maxlen,
        usage_ratio=length / maxlen if length is not None and maxlen else None,
        bytes=sample.bytes if sample else said.bytes if isinstance(said, store.Length) else None,
        sample=sample,
        condition=condition.word,
        why=condition.why,
    )


def _state(one: Known, said: store.Length, sample: NewestSample | None, now: datetime) -> StreamState:
    """Its length is of now, the size of an entry and the first id are the sample's: ten seconds old at most."""
    length, size = (sample.length, sample.bytes) if sample else said
    return StreamState(
        stream=one.name,
        exists=said.length > 0 or bool(one.seen),
        length=said.length,
        first_id=sample.first_id if sample else None,
        newest_entry_bytes=size // length if size and length else None,
        server_ms=int(now.timestamp() * 1000),
    )


def _ended_above(shown: Sequence[Limited], lengths: Mapping[str, store.Length | store.StreamError]) -> Collection[str]:
    """Of those past their threshold, the ones whose last trim failed or left them there; one query."""
    starts = {one.name: limit.starts_at for one, effective in shown if (limit := effective.limit)}
    past = [name for name, at in starts.items() if isinstance(said := lengths[name], store.Length) and said.length > at]
    if not past:
        return ()
    last = TrimRun.objects.filter(stream__in=past).order_by("stream", "-id").distinct("stream")
    return {
        name
        for name, outcome, left in last.values_list("stream", "outcome", "length_after")
        if outcome == Outcome.FAILED or (left or 0) > starts[name]
    }

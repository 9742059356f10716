"""Enforces limits: takes what is due, plans all, trims all, records all. Decides nothing by itself; see engine.plan."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from streams import store
from streams.engine.limits import Limit
from streams.engine.plan import Trim, in_entries, lets_go, plan_trim, to_read
from streams.engine.rules import Rules
from streams.engine.state import StreamState
from streams.engine.trimming import Trimming
from streams.models import Enforcement, Stream, TrimRun
from streams.services.records import WHOLE_SWEEP, record_away, record_failure, record_trims, save_what_is_left
from streams.services.rules import bounded_elsewhere, load_rules, remember
from streams.services.under_way import trims_begun
from tradeul_ops.connections import data_redis
from tradeul_ops.locks import one_at_a_time

HISTORY_KEPT = 20_000  # runs: at five streams trimmed twice a minute, a day and a half
SWEEP_SECONDS = 4.0  # beat sends the next sweep after five
Found = store.Length | StreamState | store.StreamError


class Row(NamedTuple):
    """Of a Stream. Values: five hundred instances would take longer than the server takes to read the streams."""

    id: int
    name: str
    due_at: datetime | None
    held_by: str


def enforce_limits(now: datetime) -> int:
    """Trims every stream that is past its threshold, and to maxlen those whose interval is over. Raises StoreError.

    Returns how many were trimmed. One at a time: a second one returns 0. What doesn't fit into a sweep's time comes
    first in the next.
    """
    with one_at_a_time("streams.enforce_limits") as mine:
        if not mine:
            return 0
        rules = load_rules()
        remember(rules.exact_streams)
        trimmed = _enforce(rules, _rows(), now=now)
        Enforcement.note(ran_at=now)
        return trimmed


def enforce_limit(stream: str, *, now: datetime) -> int:
    """Trims one stream to its limit, due or not, past its threshold or not. Raises StoreError."""
    remember([stream])
    return _enforce(load_rules(), _rows(name=stream), now=now, all_due=True)


def prune_history() -> int:
    """Keeps the newest HISTORY_KEPT runs; the totals stay, in Enforcement. Returns how many rows went."""
    return int(TrimRun.objects.prune(keep=HISTORY_KEPT))


def _rows(**only: str) -> list[Row]:
    return [Row(*values) for values in Stream.objects.filter(**only).order_by().values_list(*Row._fields)]


@dataclass
class Planned:
    """By rows' ids. `let_go`: nothing holds them any more; `away`: the node that did not answer."""

    trimmings: dict[int, Trimming] = field(default_factory=dict)
    let_go: set[int] = field(default_factory=set)
    away: dict[int, str] = field(default_factory=dict)

    def is_undone(self, id: int) -> bool:
        one = self.trimmings.get(id)
        return id in self.away or (one is not None and (one.away is not None or not one.over))


def _enforce(rules: Rules, rows: list[Row], *, now: datetime, all_due: bool = False) -> int:
    claimed: dict[int, store.Move] = {}
    planned: Planned | None = None
    save_what_is_left()
    try:
        limits = _enabled(rules, rows)
        rows = [row for row in rows if row.name in limits]
        lengths = store.read_lengths(data_redis(), list(limits))
        until = time.monotonic() + SWEEP_SECONDS  # from here: a node that hangs has cost its whole time-out
        claimed = _claim((row for row in rows if all_due or _is_due(row, limits, now=now)), limits, now=now)
        # The longest overdue first.
        rows.sort(key=lambda row: (row.id not in claimed, row.due_at is not None, row.due_at or now))
        found = _look_into(rows, limits, lengths, due=claimed)
        planned = _plan(rows, limits, found, due=claimed, now=now)
        _trim(list(planned.trimmings.values()), until=until, now=now)
        _set_holders(rows, planned)
    except store.StoreError as error:
        record_failure(WHOLE_SWEEP, str(error), now=now)
        raise
    finally:
        undone = [id for id in claimed if planned is None or planned.is_undone(id)]
        store.move_due(connection, [(id, after, before) for id, before, after in map(claimed.__getitem__, undone)])
        save_what_is_left()
    return sum(one.trimmed > 0 for one in planned.trimmings.values())


def _enabled(rules: Rules, rows: list[Row]) -> dict[str, Limit]:
    """Stream → what bounds it; a limit may be that of another stream for which the same rules hold."""
    found = ((row.name, rules.alike(row.name).limit) for row in rows if not bounded_elsewhere(row.name))
    return {name: limit for name, limit in found if limit is not None and limit.enabled}


def _is_due(row: Row, limits: Mapping[str, Limit], *, now: datetime) -> bool:
    """Also where its turn is further off than its interval: it was set before somebody put the clock back."""
    return row.due_at is None or not now < row.due_at <= now + limits[row.name].trim_interval


def _claim(due: Iterable[Row], limits: Mapping[str, Limit], *, now: datetime) -> dict[int, store.Move]:
    """Moves due_at on before the trim, so that an edit during it (NULL: at once) is not overwritten after it.

    A row that somebody is just writing is left to the next sweep.
    """
    moves = [(row.id, row.due_at, _next(row.due_at, limits[row.name].trim_interval, now)) for row in due]
    moved = store.move_due(connection, moves)
    return {move[0]: move for move in moves if move[0] in moved}


def _next(due_at: datetime | None, interval: timedelta, now: datetime) -> datetime:
    """One interval after it was last due, not after that was noticed: sweeps are 5 s apart, and would add up."""
    on_time = (due_at or now) + interval
    return on_time if now < on_time <= now + 2 * interval else now + interval


def _look_into(
    rows: Iterable[Row], limits: Mapping[str, Limit], lengths: Mapping[str, Found], *, due: Container[int]
) -> dict[str, Found]:
    """`lengths` with more of those streams whose length alone does not say that they are left alone."""
    client = data_redis()
    asked: dict[str, dict[str, int]] = {"nothing": {}, "bytes": {}, "state": {}}
    for row in rows:
        if isinstance(said := lengths[row.name], store.Length):
            what = to_read(limits[row.name], length=said.length, due=row.id in due, held=bool(row.held_by))
            asked[what][row.name] = said.length
    measured = [name for name in asked["state"] if limits[name].max_bytes]
    found: dict[str, Found] = {**lengths, **store.read_states(client, list(asked["state"]), newest_of=measured)}
    for name, size in store.read_bytes(client, list(asked["bytes"])).items():
        found[name] = StreamState(stream=name, exists=True, length=asked["bytes"][name], bytes=size)
    return found


def _plan(
    rows: Iterable[Row],
    limits: Mapping[str, Limit],
    found: Mapping[str, Found],
    *,
    due: Container[int],
    now: datetime,
) -> Planned:
    """`found`: a length where that suffices."""
    planned = Planned()
    for row in rows:
        said, limit = found[row.name], limits[row.name]
        if isinstance(said, store.NodeAway):
            planned.away[row.id] = said.node
            continue
        if isinstance(said, store.StreamError):
            record_failure(row.name, str(said), now=now)
            continue
        if isinstance(said, StreamState):
            plan = plan_trim(said, limit=limit, due=row.id in due, held=bool(row.held_by))
            if isinstance(plan, Trim):
                planned.trimmings[row.id] = Trimming(plan)
                continue
            limit = in_entries(limit, state=said)
        if row.held_by and lets_go(limit, length=said.length, due=row.id in due):
            planned.let_go.add(row.id)
    record_away(planned.away.values(), now=now)
    return planned


def _trim(trimmings: Sequence[Trimming], *, until: float, now: datetime) -> None:
    """What was removed before an error was removed, and is recorded. Raises StoreError."""
    client = data_redis()
    if not trimmings:
        return
    with trims_begun(trimmings, now=now) as begun:
        try:
            store.trim(client, trimmings, until=until)
            unfinished = {one.trim.stream: one for one in trimmings if one.trimmed and not one.over}
            for stream, size in store.read_bytes(client, list(unfinished)).items():
                unfinished[stream].bytes = size
        finally:
            record_trims(trimmings, begun=begun, now=now)


def _set_holders(rows: Iterable[Row], planned: Planned) -> None:
    found = dict.fromkeys(planned.let_go, "")
    found |= {id: one.held_by or "" for id, one in planned.trimmings.items() if one.done}
    store.set_holders(
        connection, {row.id: found[row.id] for row in rows if found.get(row.id, row.held_by) != row.held_by}
    )

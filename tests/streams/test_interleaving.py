"""A trim in bites, on a real server, between all that producers, groups and operators do: what may go, and what went.

A model keeps beside the server what each group was given and has not acknowledged. Every bite is held against it.
`INTERLEAVINGS=5000 pytest tests/streams/test_interleaving.py` tries more of them than the suite does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import redis as redis_library
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import store
from streams.engine.ids import parse_id
from streams.engine.limits import Limit
from streams.engine.plan import NODE_ENTRIES, Trim, plan_trim
from streams.engine.state import StreamState
from streams.engine.trimming import Trimming
from streams.lua import script
from tests.streams.factories import make_rule

Redis = redis_library.Redis
STREAM = "test:model"
SECONDS = 20_000  # the first entry is as old; the next ones come a second apart
EXAMPLES = int(os.environ.get("INTERLEAVINGS", "60"))


@dataclass
class Group:
    delivered: int
    pending: set[int] = field(default_factory=set)
    has_consumer: bool = False

    def needs(self, entries: set[int]) -> set[int]:
        return {n for n in entries if n > self.delivered or n in self.pending}


class Model:
    """Entries are numbered; entry n has the id `began` + n seconds."""

    def __init__(self, client: Redis, limit: Limit) -> None:
        self.client, self.limit = client, limit
        client.delete(STREAM)
        self.began = int(client.time()[0]) * 1000 - SECONDS * 1000
        self.last = 0
        self.groups: dict[str, Group] = {}
        self.trimming: Trimming | None = None
        self.deleted = False

    def id(self, number: int) -> str:
        return f"{self.began + number * 1000}-0" if number else "0-0"

    def number(self, id: bytes | str) -> int:
        return max(0, (parse_id(id).ms - self.began) // 1000)

    def entries(self) -> set[int]:
        return {self.number(id) for id, _ in self.client.xrange(STREAM)}

    def apply(self, step: tuple[str, str, int]) -> None:
        kind, name, amount = step
        if kind in ("create", "add", "trim", "bite", "delete") or name in self.groups:
            getattr(self, kind)(name, amount)

    def add(self, _: str, amount: int) -> None:
        pipe = self.client.pipeline(transaction=False)
        for number in range(self.last + 1, self.last + amount + 1):
            pipe.xadd(STREAM, {"data": b"x" * 20}, id=self.id(number))
        pipe.execute()
        self.last += amount

    def create(self, name: str, amount: int) -> None:
        if name not in self.groups:
            place = self._place(amount)
            self.client.xgroup_create(STREAM, name, self.id(place), mkstream=True)
            self.groups[name] = Group(place)

    def set_back(self, name: str, amount: int) -> None:
        """Or forward: what lies pending stays pending either way."""
        place = self._place(amount)
        self.client.xgroup_setid(STREAM, name, self.id(place))
        self.groups[name].delivered = place

    def destroy(self, name: str, amount: int) -> None:
        if amount % 5 == 0:
            self.client.xgroup_destroy(STREAM, name)
            del self.groups[name]

    def read(self, name: str, amount: int) -> None:
        group = self.groups[name]
        answer = self.client.xreadgroup(name, "consumer", {STREAM: ">"}, count=amount + 1)
        given = [self.number(id) for id, _ in answer[0][1]] if answer else []
        group.delivered = max([group.delivered, *given])
        group.pending |= set(given)
        group.has_consumer = True

    def acknowledge(self, name: str, amount: int) -> None:
        """Each second one, or all."""
        group = self.groups[name]
        done = sorted(group.pending)[amount % 7 :: 1 + amount % 2]
        if done:
            self.client.xack(STREAM, name, *map(self.id, done))
            group.pending -= set(done)

    def delete(self, _: str, amount: int) -> None:
        """XDEL, by ones or whole runs, pending or not."""
        gone = sorted(self.entries())[amount % 50 :: 3][: amount % 12]
        if gone:
            self.client.xdel(STREAM, *map(self.id, gone))
            self.deleted = True

    def trim(self, _: str, amount: int) -> None:
        """Plans anew; a trim under way is given up, as when a worker dies."""
        read = store.read_states(self.client, [STREAM])[STREAM]
        assert isinstance(read, StreamState)
        plan = plan_trim(read, limit=self.limit, due=True)
        self.trimming = Trimming(replace(plan, entries_per_call=100)) if isinstance(plan, Trim) else None

    def bite(self, _: str, __: int) -> None:
        if self.trimming is not None and not self.trimming.done:
            bite(self, self.trimming)

    def _place(self, amount: int) -> int:
        """At the start, at the end, or in between."""
        return {0: 0, 1: self.last}.get(amount % 4, self.last * amount // 400)


def bite(model: Model, trimming: Trimming) -> None:
    client, limit, before, first = model.client, model.limit, model.entries(), min(model.entries(), default=0)
    server = {row["name"].decode(): row for row in client.xinfo_groups(STREAM)} if client.exists(STREAM) else {}
    for name, group in server.items():
        assert model.number(group["last-delivered-id"]) == model.groups[name].delivered, "the model is right"
    call = trimming.call()
    reply = client.eval(script("safe_trim").text, 1, *call[1:])
    trimming.take(reply)
    went, forced, length, _, _, losses, _ = reply
    after = model.entries()
    gone = before - after
    assert (len(gone), length) == (went + forced, len(after))
    assert not gone or not after or max(gone) < min(after), "only the oldest go"

    ignoring = limit.ignore_groups_idle_for is not None
    heeded = {name: group for name, group in model.groups.items() if not (ignoring and group.has_consumer)}
    needed = set[int]().union(*(group.needs(before) for group in heeded.values()))
    assert limit.hard_maxlen is not None
    if forced == 0:
        assert not gone & needed, "what a group needs went below the ceiling"
    else:
        assert len(before) > limit.hard_maxlen
        assert len(gone & needed) <= forced
        assert len(after) >= limit.hard_maxlen
    minid = trimming.trim.minid
    kept = trimming.trim.maxlen
    young = {n for n in before if minid is None or parse_id(model.id(n)) >= parse_id(minid)}
    assert len(gone) <= max(0, len(before) - kept, len(before) - len(young)), "no more goes than was asked for"

    # What the script says each group lost, against a count of our own.
    said = {name.decode(): (unread, pending) for name, unread, pending in losses}
    if forced or (ignoring and gone):
        now_first = min(after, default=model.last + 1)
        for name, group in model.groups.items():
            unread = len({n for n in gone if n > group.delivered})
            pending = len({n for n in group.pending if first <= n < now_first})
            told = said.get(name, (0, 0))
            assert told[1] == pending, (name, told)
            if told[0] is None:
                assert server[name].get("lag") is None, "unknown only where the server does not know"
            else:
                assert told[0] == unread, (name, told, unread, server[name])
    else:
        assert not said


def finish(model: Model) -> None:
    """To the end, with nobody in between; and what it leaves is no more than it had to."""
    model.trim("", 0)
    trimming = model.trimming
    if trimming is None:
        return
    while not trimming.done:
        bite(model, trimming)
    limit, left = model.limit, model.entries()
    slack = NODE_ENTRIES if limit.approximate else 0
    assert limit.hard_maxlen is not None
    assert len(left) <= limit.hard_maxlen + slack, "at the ceiling the cap wins"
    ignoring = limit.ignore_groups_idle_for is not None
    places = [
        min([group.delivered, *group.needs(left)])
        for group in model.groups.values()
        if not (ignoring and group.has_consumer)
    ]
    # The entry that a group was given last may stay as its place.
    held = len({n for n in left if n >= min(places)}) if places else 0
    if not model.deleted or not limit.approximate:
        wanted = max(held, min(len(left), trimming.trim.maxlen))
        if trimming.trim.minid is not None:
            young = {n for n in left if parse_id(model.id(n)) >= parse_id(trimming.trim.minid)}
            wanted = min(wanted, max(held, len(young)))
        assert len(left) <= wanted + slack, "what nobody needs goes"


KINDS = (
    *("add", "add", "add", "create", "create", "read", "read", "acknowledge", "acknowledge"),
    *("set_back", "destroy", "delete", "trim", "bite", "bite"),
)
steps = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(["a", "b", "c"]), st.integers(0, 399)), min_size=5, max_size=30
)


def _limit(maxlen: int | None, spare: int, age: int | None, **changes: Any) -> Limit:
    rule = make_rule(
        STREAM,
        maxlen,
        trim_threshold=maxlen,
        hard_maxlen=(maxlen or 100) + spare,
        max_age=timedelta(seconds=age or SECONDS) if age or not maxlen else None,
        **changes,
    )
    return rule.limit_of(STREAM)


limits = st.builds(
    _limit,
    maxlen=st.sampled_from([None, 1, 100, 150, 400]),
    spare=st.sampled_from([0, 200, 100_000]),
    age=st.sampled_from([None, SECONDS - 200, SECONDS - 900]),
    approximate=st.booleans(),
    ignore_groups_idle_for=st.sampled_from([None, None, timedelta(0)]),
)


@pytest.fixture
def server(redis: Redis) -> Iterator[Redis]:
    before = redis.config_get("stream-node-max-entries")
    yield redis
    redis.config_set("stream-node-max-entries", before["stream-node-max-entries"])


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps, limit=limits, node=st.sampled_from([10, 100]))
def test_a_bite_takes_what_it_may_and_says_what_it_took(
    server: Redis, steps: list[tuple[str, str, int]], limit: Limit, node: int
) -> None:
    server.config_set("stream-node-max-entries", node)
    model = Model(server, limit)
    for step in steps:
        model.apply(step)
    finish(model)

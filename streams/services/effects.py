"""What a change of a limit did: a stream's length and bytes before it, and one minute, ten and an hour after.

Read from samples, which thin with age: each answer says of when it is. Judges none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from streams import store
from streams.engine.samples import TEN_MINUTES

MINUTE = timedelta(minutes=1)
OLDEST_BEFORE = timedelta(seconds=TEN_MINUTES)  # as far apart as the oldest samples are
# After the change, from … to, the last sample within: never one that belongs to the step before.
STEPS = (
    ("+1 min", timedelta(), MINUTE),
    ("+10 min", MINUTE, 10 * MINUTE),
    ("+1 h", 10 * MINUTE, 60 * MINUTE),
)


@dataclass(frozen=True, slots=True)
class Measured:
    at: datetime
    length: int
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """`measured` None: no sample of that time is there, or with `ahead`, it has not come yet."""

    name: str
    measured: Measured | None
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    stream: str
    before: Measured | None
    steps: tuple[Step, ...]

    @property
    def known(self) -> bool:
        return self.before is not None or any(step.measured for step in self.steps)


def read_effects(changes: Mapping[int, tuple[str, datetime]], *, now: datetime) -> dict[int, Effect]:
    """Change → its effect on the stream at its time; one query for all of them."""
    asked = [
        (stream, at + start, at + end)
        for stream, at in changes.values()
        for start, end in ((-OLDEST_BEFORE, timedelta()), *((start, end) for _, start, end in STEPS))
    ]
    found = _measured(asked)
    effects, each = {}, 1 + len(STEPS)
    for place, (change, (stream, at)) in enumerate(changes.items()):
        before, *after = (found.get(place * each + step) for step in range(each))
        steps = tuple(
            Step(name, measured, ahead=False) if now >= at + end else Step(name, None, ahead=True)
            for (name, _, end), measured in zip(STEPS, after, strict=True)
        )
        effects[change] = Effect(stream, before, steps)
    return effects


def _measured(asked: Iterable[tuple[str, datetime, datetime]]) -> dict[int, Measured]:
    asked = list(asked)
    if not asked:
        return {}
    streams, after, until = (list(column) for column in zip(*asked, strict=True))
    found = store.read_samples_near(connection, streams, after=after, until=until)
    return {n: Measured(at, length, size) for n, at, length, size in found}

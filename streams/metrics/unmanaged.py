"""Streams that no limit is for: how each stands, and which limit would suit it. Gives none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from streams import store
from streams.engine.state import GroupState
from streams.engine.suggest import Suggestion, suggest_limit
from streams.engine.trend import trend_of
from streams.services.samples import recent_samples
from streams.services.trends import UNSEEN, Course
from tradeul_ops.connections import data_redis


@dataclass(frozen=True)
class Unmanaged:
    """None is unknown. `exists` False: it is gone. Named as a StreamRow's are: pages show some parts of both alike."""

    stream: str
    exists: bool | None
    length: int | None = None
    bytes: int | None = None
    groups: tuple[GroupState, ...] = ()
    course: Course = UNSEEN
    suggestion: Suggestion | None = None
    why: str = ""


def unmanaged_streams(names: Sequence[str], *, now: datetime) -> tuple[Unmanaged, ...]:
    """In one round trip and one query, in their order. Raises store.StoreUnavailable."""
    if not names:
        return ()
    states = store.read_states(data_redis(), names, newest_of=names)
    recent = recent_samples(names, now=now)
    found = []
    for name, state in states.items():
        if isinstance(state, store.StreamError):
            found.append(Unmanaged(name, None, why=str(state)))
            continue
        series = recent.get(name)
        found.append(
            Unmanaged(
                stream=name,
                exists=state.exists,
                length=state.length,
                bytes=state.bytes,
                groups=state.groups,
                course=Course(series=series, trend=trend_of(series, now=now)) if series else UNSEEN,
                suggestion=suggest_limit(state) if state.exists else None,
            )
        )
    return tuple(found)

"""What every stream was at the last tick, and what all of them held over the hour: one query each. Judges none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from streams import store
from streams.engine.samples import FRESH_WITHIN, KEPT_FOR, MINUTE, GroupSample, unpack_groups
from streams.engine.trend import GROWTH_WINDOW
from tradeul_ops.sparklines import Spot


@dataclass(frozen=True, slots=True)
class NewestSample:
    """A stream at the last tick; its groups as pack_groups wrote them, because most readers want one number of them."""

    length: int
    bytes: int | None
    first_id: str | None
    packed: Sequence[Sequence[Any]]

    @property
    def largest_lag(self) -> int | None:
        """Of those that are known."""
        return max((lag for _, lag, *_ in self.packed if lag is not None), default=None)

    @property
    def still_since(self) -> int | None:
        """In seconds since 1970: since when a group that needs entries has not moved; of several the longest."""
        needy = [since for _, lag, pending, _, since, *_ in self.packed if lag is None or lag or pending]
        return min(needy, default=None)

    @property
    def groups(self) -> dict[str, GroupSample]:
        return {group.name: group for group in unpack_groups(self.packed)}


def newest_samples(*, now: datetime) -> dict[str, NewestSample]:
    """By stream; empty where the last tick is so old that it says nothing of now."""
    rows = store.read_newest_samples(connection, list(KEPT_FOR), since=now - FRESH_WITHIN, now=now)
    packed = json.loads(f"[{','.join([groups for *_, groups in rows])}]")  # in one call: one for each cost twice that
    return {
        stream: NewestSample(length, size, first_id, groups)
        for (stream, length, size, first_id, _), groups in zip(rows, packed, strict=True)
    }


def bytes_of_all(*, now: datetime) -> tuple[Spot, ...]:
    """A point a minute of the last hour; a moment at which one stream's size is unknown is unknown."""
    marks = [mark for mark in KEPT_FOR if mark >= MINUTE]
    rows = store.read_bytes_of_all(connection, marks, since=now - GROWTH_WINDOW, now=now)
    return tuple((at, None if size is None else float(size)) for at, size in rows)

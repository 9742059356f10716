"""What every stream was at the last tick, and what all of them held over the hour: one query each. Judges none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from streams.engine.samples import FRESH_WITHIN, KEPT_FOR, MINUTE, GroupSample, unpack_groups
from streams.engine.trend import GROWTH_WINDOW
from tradeul_ops.sparklines import Spot

# A tick's samples share their time, and have the mark of how coarse a history they are part of.
_NEWEST = """
    SELECT stream, length, bytes, first_id, groups::text FROM streams_streamsample
    WHERE mark = ANY(%(marks)s) AND at >= %(since)s AND at = (
        SELECT max(newest) FROM (
            SELECT (SELECT max(at) FROM streams_streamsample WHERE mark = m.mark AND at <= %(now)s) AS newest
            FROM unnest(%(marks)s::smallint[]) AS m (mark)) AS marks)
"""
_HOUR = """
    SELECT extract(epoch FROM at)::float8, CASE WHEN bool_and(bytes IS NOT NULL) THEN sum(bytes) END
    FROM streams_streamsample
    WHERE mark = ANY(%(marks)s) AND at >= %(since)s AND at <= %(now)s GROUP BY at ORDER BY at
"""


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
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, {"marks": list(KEPT_FOR), "since": now - FRESH_WITHIN, "now": now})
        rows = cursor.fetchall()
    packed = json.loads(f"[{','.join([groups for *_, groups in rows])}]")  # in one call: one for each cost twice that
    return {
        stream: NewestSample(length, size, first_id, groups)
        for (stream, length, size, first_id, _), groups in zip(rows, packed, strict=True)
    }


def bytes_of_all(*, now: datetime) -> tuple[Spot, ...]:
    """A point a minute of the last hour; a moment at which one stream's size is unknown is unknown."""
    marks = [mark for mark in KEPT_FOR if mark >= MINUTE]
    with connection.cursor() as cursor:
        cursor.execute(_HOUR, {"marks": marks, "since": now - GROWTH_WINDOW, "now": now})
        return tuple((at, None if size is None else float(size)) for at, size in cursor.fetchall())

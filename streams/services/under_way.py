"""Notes trims before they begin, and tells of those whose process died before it could. Trims nothing.

One note a batch, however many streams: between the first bite and the record a process may be killed, and neither the
history nor the totals would know of what it took.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection

from streams import store
from streams.engine.plan import may_lose
from streams.engine.trimming import Trimming
from streams.services.records import Batch, unknown, waiting, write_for
from tradeul_ops.connections import data_redis
from tradeul_ops.locks import in_turn

_TRIMS = "streams.trims"


@contextmanager
def no_trim_unrecorded() -> Iterator[int]:
    """Waits until nobody trims. Then all that this console trimmed is in runs up to the id that it yields.

    But for what waits in this process; see records.waiting. Raises StoreError.
    """
    with in_turn(_TRIMS):
        newest, noted = store.read_trims(connection)
        if noted:
            tell_of_the_dead(noted)
            newest, _ = store.read_trims(connection)
        yield newest


@contextmanager
def trims_begun(trimmings: Collection[Trimming], *, now: datetime) -> Iterator[str]:
    """One batch at a time, noted as under way until its records are written. Yields its key. Raises StoreError."""
    key = uuid.uuid4().hex
    streams = {one.trim.stream: (one.trim.length, may_lose(one.trim)) for one in trimmings}
    with in_turn(_TRIMS):
        noted = store.begin_trims(connection, key, {"at": now.isoformat(), "streams": streams})
        try:
            tell_of_the_dead({other: begun for other, begun in noted.items() if other != key})
        except store.StoreError:
            write_for(Batch(key, []))  # it will not begin
            raise
        yield key


def tell_of_the_dead(noted: Mapping[str, Any]) -> None:
    """`noted` by those who held the turn before: they are dead, or keep their records until PostgreSQL takes them."""
    mine = waiting()
    for key, begun in noted.items():
        if key in mine:
            continue
        streams: dict[str, tuple[int, str]] = begun["streams"]
        lengths = store.read_lengths(data_redis(), list(streams))
        records = []
        for stream, (length, why) in streams.items():
            said = lengths[stream]
            trimmed = max(0, length - said.length) if isinstance(said, store.Length) else 0
            if trimmed or why:
                at = datetime.fromisoformat(begun["at"])
                records.append(unknown(stream, length, why, at=at, trimmed=trimmed))
        write_for(Batch(key, records))

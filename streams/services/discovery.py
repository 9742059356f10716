"""Finds the streams there are: by SCAN at a bounded rate, and from what producers told. Reads no stream's entries."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from streams import store
from streams.engine.nameless import Nameless, as_record, from_record, quoted
from streams.engine.suggest import Suggestion, suggest_limit
from streams.models import Enforcement, Stream
from streams.services.rules import FOUND_WITHIN, bounded_elsewhere, load_rules, remember, storable
from tradeul_ops.connections import data_redis

STREAMS_KEPT = 20_000
GONE_AFTER = timedelta(hours=24)  # a stream that was not found for so long is forgotten, unless a limit names it
KEYS_PER_RUN = 200_000  # stepped over; what is left comes next time

logger = logging.getLogger(__name__)

_cursor = store.ScanCursor()  # where the last run of this process stopped


def discover_streams(*, now: datetime) -> int:
    """Remembers every stream that it comes upon; returns how many were new. Raises StoreError.

    Nodes of a cluster that are away are left to the next time.
    """
    client, began = data_redis(), dict(_cursor.nodes)
    seen = store.scan_streams(client, _cursor, keys=KEYS_PER_RUN) | store.read_known(client)
    found = {name for name in seen if storable(name) and not bounded_elsewhere(name)}
    known = set(Stream.objects.values_list("name", flat=True))
    room = max(0, STREAMS_KEPT - len(known))
    new = sorted(found - known)
    if len(new) > room:
        logger.warning("%d streams are not remembered: %d are, and no more are kept.", len(new) - room, STREAMS_KEPT)
    remember(new[:room])
    for start in range(0, len(names := sorted(found)), 1000):
        Stream.objects.filter(name__in=names[start : start + 1000]).update(seen_at=now)
    _forget(now=now)
    if _cursor.away:
        logger.warning("Streams are not looked for on %s: no answer.", ", ".join(_cursor.away))
    whole = not any((*began.values(), *_cursor.nodes.values(), _cursor.away))
    _note_nameless(client, {name for name in seen if not storable(name)}, whole=whole, now=now)
    return len(new[:room])


def _forget(*, now: datetime) -> None:
    unseen = Q(seen_at__lt=now - GONE_AFTER) | Q(seen_at=None, first_seen_at__lt=now - GONE_AFTER)
    gone = Stream.objects.filter(unseen).exclude(name__in=load_rules().exact_streams)
    gone.delete()


def _note_nameless(client: Any, names: set[str], *, whole: bool, now: datetime) -> None:
    """A scan that was not of the whole server takes none off that one of the last scans met."""
    record = Enforcement.objects.values_list("nameless", flat=True).first() or {}
    kept = from_record(record, within=FOUND_WITHIN, now=now).longest
    if not names and not record:
        return
    keys = {name.encode("utf-8", "surrogateescape") for name in names}
    lengths = store.read_lengths(client, list(keys), sized=keys)
    met = [Nameless(quoted(key), *_length_and_bytes(lengths[key]), now.isoformat()) for key in keys]
    said = as_record(met, before=() if whole else kept)
    Enforcement.note(nameless=said)


def _length_and_bytes(said: store.Length | store.StreamError) -> tuple[int | None, int | None]:
    return (None, None) if isinstance(said, store.StreamError) else (said.length, said.bytes)


def suggestion_for(stream: str) -> Suggestion:
    """Raises StoreError."""
    state = store.read_states(data_redis(), [stream], newest_of=[stream])[stream]
    if isinstance(state, store.StreamError):
        raise state
    return suggest_limit(state)

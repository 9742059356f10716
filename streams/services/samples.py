"""Takes samples of the streams, thins them, and gives them back for pages. Judges none; see engine.trend."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db import connection, transaction

from streams import store
from streams.engine.samples import FINE, KEPT_FOR, Sample, Series, mark_of, pack_groups, sample_of
from streams.engine.state import StreamState
from streams.engine.trend import GROWTH_WINDOW, RECENT_WINDOW
from streams.models import Enforcement, Stream, StreamSample
from streams.services.cuts import find_cuts, record_cuts
from streams.services.rules import load_rules
from streams.services.under_way import no_trim_unrecorded
from tradeul_ops.connections import data_redis
from tradeul_ops.locks import one_at_a_time

MOST_STREAMS = 1_000  # a tick; those beyond, by name, have no history
ROWS_KEPT = 3_000_000  # 540 streams, at 5,544 each and half a KB a row; beyond it the finest and oldest go first
ROWS_A_BATCH = 5_000
BATCHES_A_RUN = 40  # a minute's run: 200,000 rows, where a minute brings 6,000 of 1,000 streams
FINE_WINDOW = timedelta(minutes=1)  # of a row's hour, what is drawn from every sample


def take_samples(*, now: datetime) -> int:
    """One sample of every known stream that exists, in one round trip and one INSERT; returns how many.

    One at a time; a tick that is sent twice is taken once. Raises StoreError.
    """
    with one_at_a_time("streams.take_samples") as mine:
        return _take(now) if mine else 0


def prune_samples(*, now: datetime) -> int:
    """Thins what is older than its mark lets it be; returns how many rows went.

    At most BATCHES_A_RUN batches: what is left goes in the next minute.
    """
    went = batches = 0
    for mark, kept_for in KEPT_FOR.items():
        while batches < BATCHES_A_RUN:
            gone = store.delete_samples(connection, mark=mark, before=now - kept_for, most=ROWS_A_BATCH)
            batches += 1
            went += gone
            if gone < ROWS_A_BATCH:
                break
    return went


def cut_samples() -> int:
    """Deletes what is more than ROWS_KEPT; returns how many rows went. Counting takes seconds there: once an hour."""
    went, too_many = 0, StreamSample.objects.count() - ROWS_KEPT
    while went < too_many and (
        gone := store.delete_finest_samples(connection, most=min(too_many - went, ROWS_A_BATCH))
    ):
        went += gone
    return went


def recent_samples(streams: Iterable[str], *, now: datetime) -> Mapping[str, Series]:
    """The last hour of each, a sample a minute and of its last minutes all; one query for all.

    A stream without any is missing.
    """
    hour, fine, recent = now - GROWTH_WINDOW, now - FINE_WINDOW, now - RECENT_WINDOW
    rows = store.read_recent_samples(connection, list(streams), hour=hour, fine=fine, recent=recent, now=now)
    return {
        stream: Series(
            times=times,
            lengths=lengths,
            bytes=sizes,
            entries_added=added,
            first_id=first_id,
            groups=[(at, packed) for at, packed in json.loads(groups or "[]")],
        )
        for stream, times, lengths, sizes, added, first_id, groups in rows
    }


def samples_between(stream: str, *, since: datetime, until: datetime, mark: int = FINE) -> list[Sample]:
    """From old to new, those with that mark or a coarser one."""
    rows = StreamSample.objects.filter(stream=stream, mark__gte=mark, at__gt=since, at__lte=until).order_by("at")
    return [row.sample for row in rows]


def _take(now: datetime) -> int:
    streams = list(_sampled_streams())
    last_tick = store.read_last_tick(connection, list(KEPT_FOR))
    if last_tick is not None and last_tick >= now:
        return 0
    with no_trim_unrecorded() as newest:  # what else went, others took
        found = store.read_states(data_redis(), streams)
    states = {name: state for name, state in found.items() if isinstance(state, StreamState) and state.exists}
    before = {} if last_tick is None else _taken_at(last_tick)
    cuts = find_cuts(before, states.values(), up_to=newest)
    mark = mark_of(now, previous=last_tick)
    taken = [_row(name, sample_of(one, previous=before.get(name), at=now), mark) for name, one in states.items()]
    with transaction.atomic():
        StreamSample.objects.bulk_create(taken)
        Enforcement.note(sampled_to=newest)
        record_cuts(cuts, states, since=last_tick or now, now=now)
    return len(taken)


def _taken_at(tick: datetime) -> dict[str, Sample]:
    return {row.stream: row.sample for row in StreamSample.objects.filter(mark__in=KEPT_FOR, at=tick)}


def _sampled_streams() -> Iterable[str]:
    return sorted({*load_rules().exact_streams, *Stream.objects.values_list("name", flat=True)})[:MOST_STREAMS]


def _row(stream: str, sample: Sample, mark: int) -> StreamSample:
    return StreamSample(
        stream=stream,
        at=sample.at,
        mark=mark,
        length=sample.length,
        bytes=sample.bytes,
        entries_added=sample.entries_added,
        first_id=sample.first_id,
        groups=pack_groups(sample.groups),
    )

"""Does one action of a table, step by step, and says after each how far it is. Plans and queues none; see actions.

Each piece is a transaction of its own, so that what is done stays done when a worker goes away in the middle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import connection, transaction

from timescale.engine.edition import Edition
from timescale.engine.policies import enforced_by
from timescale.models import HypertablePolicy, TableAction
from timescale.services.arguments import read_duration, read_moment
from timescale.services.enforcement import drop_steps
from timescale.store import actions, catalog
from timescale.store.chunks import read_chunks

STEP_LIMIT = timedelta(minutes=10)  # of one chunk, one job, one refresh
Verb = TableAction.Verb


def work(action: TableAction) -> Iterator[tuple[int, str]]:
    """After each step how many are done, and the sentence so far."""
    match action.verb:
        case Verb.COMPRESS:
            yield from _compress(action)
        case Verb.DROP:
            yield from _drop(action)
        case Verb.REFRESH:
            start, end = (read_moment(action.arguments, name) for name in ("start", "end"))
            actions.refresh(connection, action.relation, start=start, end=end, limit=STEP_LIMIT)
            yield 1, f"Refreshed {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC."
        case Verb.RUN_JOB:
            job_id = action.arguments["job_id"]
            actions.run_job(connection, job_id, relation=action.relation, limit=STEP_LIMIT)
            yield 1, f"Job {job_id} ran to its end."


def _compress(action: TableAction) -> Iterator[tuple[int, str]]:
    older_than = read_duration(action.arguments, "older_than", default=None)
    for done, chunk in enumerate(compressible(action.relation, older_than, now=action.asked_at), start=1):
        with transaction.atomic():
            actions.compress_chunk(connection, chunk, relation=action.relation, limit=STEP_LIMIT)
        yield done, f"{done} {chunks_word(done)} compressed."


def _drop(action: TableAction) -> Iterator[tuple[int, str]]:
    wanted = HypertablePolicy.objects.get(table_name=action.relation).wanted()
    wanted = replace(wanted, drop_after=read_duration(action.arguments, "older_than", default=None))
    seen = catalog.read_catalog(connection)
    # Also where a job would do it: this is about now.
    by = enforced_by(Edition.APACHE, is_hypertable=wanted.table in seen.hypertables)
    rows = chunks = 0
    for more_rows, more_chunks in drop_steps(wanted, by=by, now=action.asked_at):
        rows, chunks = rows + more_rows, chunks + more_chunks
        yield chunks, f"Dropped {rows:,} rows" + (f" in {chunks} {chunks_word(chunks)}." if chunks else ".")


def compressible(table: str, older_than: timedelta, *, now: datetime) -> list[str]:
    """Those never compressed, and those with late rows."""
    return [
        chunk.name
        for chunk in read_chunks(connection, f'"{table}"')
        if chunk.form != "column" and chunk.range_end is not None and chunk.range_end <= now - older_than
    ]


def chunks_word(count: int) -> str:
    return "chunk" if count == 1 else "chunks"

"""Does what an operator's buttons ask of the server, and writes the SQL of a repair for a page. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper

from timescale.engine.drift import Kind
from timescale.engine.policies import WantedTable, WantedView
from timescale.store import commands
from timescale.store.errors import naming

_PROCEDURES = {
    Kind.RETENTION: "policy_retention",
    Kind.COLUMNSTORE: "policy_compression",
    Kind.REFRESH: "policy_refresh_continuous_aggregate",
}
# An aggregate's job is listed under its materialization until 2.19, under the view since: both names are looked for.
_START_AT = """
SELECT alter_job(j.job_id, next_start => %s::timestamptz)
FROM timescaledb_information.jobs j
WHERE j.proc_name = %s
  AND (j.hypertable_name = %s OR (j.hypertable_schema, j.hypertable_name) IN (
      SELECT c.materialization_hypertable_schema, c.materialization_hypertable_name
      FROM timescaledb_information.continuous_aggregates c
      WHERE c.view_name = %s AND c.view_schema = ANY (current_schemas(false))))
"""
# A new job starts within seconds, and a table's first two at once have met in a deadlock: what is dropped goes first.
COLUMNSTORE_STARTS_AFTER = timedelta(seconds=10)
_START_LATER = _START_AT.replace("%s::timestamptz", "now() + %s::interval")
_REMOVE_JOBS = _START_AT.replace("alter_job(j.job_id, next_start => %s::timestamptz)", "delete_job(j.job_id)")


def mend(
    connection: BaseDatabaseWrapper, wanted: WantedTable | WantedView, kind: Kind, *, not_before: datetime | None
) -> None:
    """commands.mend; where a retention job is made, its first run waits until `not_before`, a columnstore's a little.

    In the transaction that makes the job, so that the scheduler never sees it without.
    """
    if kind is Kind.REFRESH:
        # remove_continuous_aggregate_policy refuses a view that has several.
        _run(connection, wanted.name, _REMOVE_JOBS, [_PROCEDURES[kind], wanted.name, wanted.name])
    commands.mend(connection, wanted, kind)
    if kind is Kind.RETENTION and not_before is not None:
        start_jobs_at(connection, wanted.name, kind, moment=not_before)
    elif kind is Kind.COLUMNSTORE:
        _run(connection, wanted.name, _START_LATER, [COLUMNSTORE_STARTS_AFTER, _PROCEDURES[kind], *[wanted.name] * 2])


def mend_sql(
    connection: BaseDatabaseWrapper, wanted: WantedTable | WantedView, kind: Kind, *, not_before: datetime | None
) -> tuple[str, ...]:
    """The statements that mend() would run, as they would reach the server. Runs none of them."""
    return _recorded(connection, lambda: mend(connection, wanted, kind, not_before=not_before))


def start_jobs_at(connection: BaseDatabaseWrapper, relation: str, kind: Kind, *, moment: datetime) -> None:
    _run(connection, relation, _START_AT, [moment, _PROCEDURES[kind], relation, relation])


def retry_job(connection: BaseDatabaseWrapper, job_id: int, *, relation: str) -> None:
    """The scheduler starts it within seconds, in the background; the run counts in the job's figures."""
    _run(connection, relation, "SELECT alter_job(%s, next_start => now())", [job_id])


def run_job(connection: BaseDatabaseWrapper, job_id: int, *, relation: str, limit: timedelta) -> None:
    """In this session, to its end or to the limit. Outside of a transaction: the job commits by itself."""
    with _limited(connection, relation, limit):
        _run(connection, relation, "CALL run_job(%s)", [job_id])


def refresh(connection: BaseDatabaseWrapper, view: str, *, start: datetime, end: datetime, limit: timedelta) -> None:
    """Outside of a transaction. Both ends are bounded: without a beginning it would erase what the source dropped."""
    with _limited(connection, view, limit):
        statement = "CALL refresh_continuous_aggregate(quote_ident(%s)::regclass, %s::timestamptz, %s::timestamptz)"
        _run(connection, view, statement, [view, start, end])


def compress_chunk(connection: BaseDatabaseWrapper, chunk: str, *, relation: str, limit: timedelta) -> None:
    """Inside a transaction of its own. One with late rows is compressed again."""
    _run(connection, relation, "SET LOCAL statement_timeout = %s", [int(limit.total_seconds() * 1000)])
    _run(connection, relation, "SELECT compress_chunk(%s::regclass, if_not_compressed => true)", [chunk])


@contextmanager
def _limited(connection: BaseDatabaseWrapper, relation: str, limit: timedelta) -> Iterator[None]:
    _run(connection, relation, "SET statement_timeout = %s", [int(limit.total_seconds() * 1000)])
    try:
        yield
    finally:
        if connection.is_usable():
            _run(connection, relation, "RESET statement_timeout", None)


def _run(connection: BaseDatabaseWrapper, relation: str, statement: str, params: Sequence[Any] | None) -> None:
    with naming(relation), connection.cursor() as cursor:
        cursor.execute(statement, params)


def _recorded(connection: BaseDatabaseWrapper, work: Callable[[], None]) -> tuple[str, ...]:
    said: list[str] = []

    def write_down(execute: Any, statement: Any, params: Any, many: bool, context: dict[str, Any]) -> None:
        cursor = psycopg.ClientCursor(connection.connection)
        text = cursor.mogrify(statement, params) if params is not None else cursor.mogrify(statement)
        # A timedelta brings its type along.
        said.append(" ".join(text.split()).replace("::interval::interval", "::interval") + ";")

    connection.ensure_connection()
    with connection.execute_wrapper(write_down):
        work()
    return tuple(said)

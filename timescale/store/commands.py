"""Changes what the server does and holds: policies (TimescaleDB's jobs), chunks, rows. Decides nothing; see engine.

A policy is changed by removing and adding it in one transaction: `if_not_exists` never changes one that exists, it
answers -1. The caller opens the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from timescale.engine.drift import Kind
from timescale.engine.policies import AGGREGATE_RETENTION_INTERVAL, Columnstore, WantedTable, WantedView
from timescale.store.errors import naming

BATCH = 10_000
LOCK_TIMEOUT = "5s"


def wait_little_for_locks(connection: BaseDatabaseWrapper) -> None:
    """Until the end of this transaction: two editors of one policy meet at its job's row."""
    _execute(connection, f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")


def mend(connection: BaseDatabaseWrapper, wanted: WantedTable | WantedView, kind: Kind) -> None:
    """Makes one thing what is wanted. Not Kind.HYPERTABLE and Kind.AGGREGATE, which only a migration makes."""
    name = wanted.name
    with naming(name):
        match wanted, kind:
            case WantedTable(), Kind.CHUNKS:
                _call(connection, "SELECT set_chunk_time_interval({r}, %s::interval)", name, wanted.chunk_time_interval)
            case WantedTable(enabled=True, columnstore=Columnstore() as wish), Kind.COLUMNSTORE_SETTINGS:
                _execute(connection, columnstore_settings(name, segmentby=wish.segmentby, orderby=wish.orderby))
            case WantedTable(), Kind.COLUMNSTORE:
                _set_columnstore(connection, name, wanted.columnstore if wanted.enabled else None)
            case WantedTable(), Kind.RETENTION:
                drop_after = wanted.drop_after if wanted.enabled else None
                _set_retention(connection, name, drop_after, wanted.schedule_interval)
            case WantedView(), Kind.RETENTION:
                _set_retention(connection, name, wanted.drop_after, AGGREGATE_RETENTION_INTERVAL)
            case WantedView(), Kind.REFRESH:
                _set_refresh(connection, wanted)
            case WantedView(), Kind.MATERIALIZED_ONLY:
                statement = sql.SQL("ALTER MATERIALIZED VIEW {} SET (timescaledb.materialized_only = {})")
                _execute(connection, statement.format(sql.Identifier(name), sql.Literal(wanted.materialized_only)))
            case _:
                raise AssertionError(f"{kind} of {name} is not mended here")


def columnstore_settings(table: str, *, segmentby: str, orderby: str) -> sql.Composed:
    """The statement that switches the columnstore on, for chunks compressed from now on."""
    options: list[sql.Composable] = [sql.SQL("timescaledb.enable_columnstore = true")]
    for name, value in (("segmentby", segmentby), ("orderby", orderby)):
        if value:
            # Literals: ALTER TABLE takes no parameters.
            options.append(sql.SQL("timescaledb.{} = {}").format(sql.SQL(name), sql.Literal(value)))
    return sql.SQL("ALTER TABLE {} SET ({})").format(sql.Identifier(table), sql.SQL(", ").join(options))


def _set_retention(
    connection: BaseDatabaseWrapper, relation: str, drop_after: timedelta | None, schedule_interval: timedelta
) -> None:
    """The job runs within seconds of the commit. None: no job."""
    _call(connection, "SELECT remove_retention_policy({r}, if_exists => true)", relation)
    if drop_after is not None:
        _call(
            connection,
            "SELECT add_retention_policy({r}, drop_after => %s::interval, schedule_interval => %s::interval)",
            relation,
            drop_after,
            schedule_interval,
        )


def _set_columnstore(connection: BaseDatabaseWrapper, table: str, wish: Columnstore | None) -> None:
    _call(connection, "CALL remove_columnstore_policy({r}, if_exists => true)", table)
    if wish is not None:
        _call(
            connection,
            "CALL add_columnstore_policy({r}, after => %s::interval, schedule_interval => %s::interval)",
            table,
            wish.after,
            wish.schedule_interval,
        )


def _set_refresh(connection: BaseDatabaseWrapper, wanted: WantedView) -> None:
    """In place of every refresh job the view has: since 2.21 there can be several."""
    _call(connection, "SELECT remove_continuous_aggregate_policy({r}, if_exists => true)", wanted.view)
    _call(
        connection,
        "SELECT add_continuous_aggregate_policy({r}, start_offset => %s::interval, end_offset => %s::interval, "
        "schedule_interval => %s::interval)",
        wanted.view,
        wanted.start_offset,
        wanted.end_offset,
        wanted.schedule_interval,
    )


def drop_chunks(
    connection: BaseDatabaseWrapper, table: str, *, time_column: str, before: datetime | date
) -> tuple[int, int]:
    """Drops the chunks that lie wholly before `before`; answers (rows, chunks). A date column wants a date."""
    kind = sql.SQL("timestamptz" if isinstance(before, datetime) else "date")
    counted = sql.SQL("SELECT count(*) FROM {} WHERE {} < %s::{}")
    dropped = sql.SQL("SELECT count(*) FROM drop_chunks(quote_ident(%s)::regclass, older_than => %s::{})")
    with naming(table):
        counting = counted.format(sql.Identifier(table), sql.Identifier(time_column), kind)
        rows = _execute(connection, counting, [before])
        return rows, _execute(connection, dropped.format(kind), [table, before])


def delete_batch(
    connection: BaseDatabaseWrapper, table: str, *, time_column: str, before: datetime | date, limit: int
) -> int:
    """Deletes up to `limit` of the oldest rows before `before`; answers how many."""
    kind = sql.SQL("timestamptz" if isinstance(before, datetime) else "date")
    statement = sql.SQL(
        "WITH gone AS (DELETE FROM {t} WHERE ctid = ANY (ARRAY("
        "SELECT ctid FROM {t} WHERE {c} < %s::{k} ORDER BY {c} LIMIT {n})) RETURNING 1) SELECT count(*) FROM gone"
    )
    with naming(table):
        return _execute(
            connection,
            statement.format(t=sql.Identifier(table), c=sql.Identifier(time_column), k=kind, n=sql.Literal(limit)),
            [before],
        )


def _call(connection: BaseDatabaseWrapper, statement: str, relation: str, *params: object) -> None:
    """`{r}` in the statement is the relation."""
    _execute(connection, statement.replace("{r}", "quote_ident(%s)::regclass"), [relation, *params])


def _execute(connection: BaseDatabaseWrapper, statement: Any, params: Sequence[Any] | None = None) -> int:
    """The one number that the statement answers, or 0 where it answers something else."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row and isinstance(row[0], int) else 0

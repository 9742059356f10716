"""Reads how far an aggregate reaches, and refreshes a window of it. Decides nothing; see engine.refreshing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from timescale.engine.refreshing import Window
from timescale.store.errors import RelationMissing, naming

_MATERIALIZATION = """
SELECT materialization_hypertable_schema, materialization_hypertable_name
FROM timescaledb_information.continuous_aggregates
WHERE view_name = %s AND view_schema = ANY (current_schemas(false))
"""


@dataclass(frozen=True)
class Held:
    """The oldest and the newest bucket that are materialized; without what a query adds from the source."""

    oldest: datetime | None
    newest: datetime | None


def read_held(connection: BaseDatabaseWrapper, view: str, *, bucket_column: str = "bucket") -> Held:
    """Raises RelationMissing where no continuous aggregate has the name."""
    with naming(view), connection.cursor() as cursor:
        cursor.execute(_MATERIALIZATION, [view])
        found = cursor.fetchone()
        if found is None:
            raise RelationMissing(view, "No continuous aggregate has this name.")
        # Each opens one chunk; min() and max() of a hypertable plan over all of them.
        ends = sql.SQL(
            "SELECT (SELECT {c} FROM {t} ORDER BY {c} LIMIT 1), (SELECT {c} FROM {t} ORDER BY {c} DESC LIMIT 1)"
        )
        cursor.execute(ends.format(c=sql.Identifier(bucket_column), t=sql.Identifier(*found)))
        return Held(*cursor.fetchone())


def refresh(connection: BaseDatabaseWrapper, view: str, window: Window) -> None:
    """Computes what changed in the window anew. Not in a transaction: the server refuses (25001)."""
    with naming(view), connection.cursor() as cursor:
        cursor.execute(
            "CALL refresh_continuous_aggregate(quote_ident(%s)::regclass, %s::timestamptz, %s::timestamptz)",
            [view, window.start, window.end],
        )

"""The tables that services write, and the statements for them. Opens no connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from psycopg import sql


@dataclass(frozen=True)
class Table:
    """Rows are sequences in the order of `columns`; `key` is what makes two rows the same."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @cached_property
    def copy(self) -> sql.Composed:
        return self._copy_into(sql.Identifier(self.name))

    @cached_property
    def stage(self) -> sql.Composed:
        """A table of this session for what comes in. Empty again at each commit: TRUNCATE would make new files."""
        return sql.SQL(
            "CREATE TEMPORARY TABLE IF NOT EXISTS {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} LIMIT 0"
        ).format(sql.Identifier(self._staged), _names(self.columns), sql.Identifier(self.name))

    @cached_property
    def clear(self) -> sql.Composed:
        """Before each merge: another one in the caller's transaction may have left its rows."""
        return sql.SQL("DELETE FROM {}").format(sql.Identifier("pg_temp", self._staged))

    @cached_property
    def copy_staged(self) -> sql.Composed:
        return self._copy_into(sql.Identifier("pg_temp", self._staged))

    def merge(self, *, replace: bool) -> sql.Composed:
        """Of rows with one key the last that came in counts: twice in one statement is an error to ON CONFLICT."""
        others = [name for name in self.columns if name not in self.key]
        then: sql.Composable = sql.SQL("NOTHING")
        if replace and others:
            pairs = (sql.SQL("{c} = excluded.{c}").format(c=sql.Identifier(name)) for name in others)
            then = sql.SQL("UPDATE SET {}").format(sql.SQL(", ").join(pairs))
        return sql.SQL(
            "INSERT INTO {table} ({columns}) SELECT DISTINCT ON ({key}) {columns} FROM {staged} "
            "ORDER BY {key}, ctid DESC ON CONFLICT ({key}) DO {then}"
        ).format(
            table=sql.Identifier(self.name),
            columns=_names(self.columns),
            key=_names(self.key),
            staged=sql.Identifier("pg_temp", self._staged),
            then=then,
        )

    def _copy_into(self, relation: sql.Identifier) -> sql.Composed:
        return sql.SQL("COPY {} ({}) FROM STDIN").format(relation, _names(self.columns))

    @property
    def _staged(self) -> str:
        return f"{self.name}_incoming"


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


SCANS = Table(
    "scan_results",
    (
        *("time", "symbol", "session", "price", "volume", "volume_today", "change_percent", "rvol", "rvol_slot"),
        *("price_from_high", "price_from_low", "market_cap", "float_shares", "score", "filters_matched", "metadata"),
    ),
    key=("time", "symbol", "session"),
)
VOLUME_SLOTS = Table(
    "volume_slots",
    ("date", "symbol", "slot_number", "slot_time", "volume_accumulated", "trades_count", "avg_price"),
    key=("date", "symbol", "slot_number"),
)

"""The statements that change a table which stands into the one wanted. Runs none of them and decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from psycopg import sql

from timescale.engine.adoption import AddColumn, AllowNull, Change, Keep, Retype, SetAside, SetKey, set_aside_name
from timescale.store.shapes import Chunk

_MARK = "Stood before this console; its rows outlive the migrations."


def statements(table: str, change: Change) -> Iterator[sql.Composable]:
    name = sql.Identifier(table)
    match change:
        case AddColumn(column, fill):
            words = {"t": name, "c": sql.Identifier(column.name), "type": sql.SQL(column.type)}
            yield sql.SQL("ALTER TABLE {t} ADD COLUMN IF NOT EXISTS {c} {type}").format(**words)
            if fill is not None:
                # Its writers don't know the column yet: what they add from now on gets today's date.
                yield sql.SQL(
                    "UPDATE {t} SET {c} = coalesce(({fill} AT TIME ZONE 'UTC')::{type}, CURRENT_DATE) WHERE {c} IS NULL"
                ).format(fill=sql.Identifier(fill), **words)
                yield sql.SQL("ALTER TABLE {t} ALTER COLUMN {c} SET DEFAULT CURRENT_DATE").format(**words)
        case Retype(column, wanted, _):
            retyped = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {}")
            yield retyped.format(name, sql.Identifier(column), sql.SQL(wanted))
        case AllowNull(column):
            yield sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL").format(name, sql.Identifier(column))
        case SetAside(key, decompress):
            if decompress:
                yield sql.SQL(
                    "SELECT count(decompress_chunk(c, if_compressed => true)) FROM show_chunks({}) AS c"
                ).format(sql.Literal(name.as_string(None)))
            yield from _set_aside(table, key)
        case SetKey(key, replaces):
            if replaces is not None:
                yield sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(name, sql.Identifier(replaces))
            columns = sql.SQL(", ").join(map(sql.Identifier, key))
            yield sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(name, columns)
        case Keep():
            pass


def _set_aside(table: str, key: Sequence[str]) -> Iterator[sql.Composable]:
    """The last written of each key stays; a row without a whole key has no place in the table at all."""
    columns = sql.SQL(", ").join(map(sql.Identifier, key))
    unknown = sql.SQL(" OR ").join(sql.SQL("{} IS NULL").format(sql.Identifier(column)) for column in key)
    words = {"t": sql.Identifier(table), "aside": sql.Identifier(set_aside_name(table)), "unknown": unknown}
    yield sql.SQL("CREATE TABLE IF NOT EXISTS {aside} (LIKE {t})").format(**words)
    # A NULL is what brings a row here; the copy must take it.
    for column in key:
        yield sql.SQL("ALTER TABLE {aside} ALTER COLUMN {c} DROP NOT NULL").format(c=sql.Identifier(column), **words)
    yield sql.SQL(
        "WITH numbered AS (SELECT tableoid AS part, ctid AS place, {unknown} AS unknown, "
        "row_number() OVER (PARTITION BY {columns} ORDER BY tableoid DESC, ctid DESC) AS n FROM {t}), "
        "gone AS (DELETE FROM {t} USING numbered WHERE {t}.tableoid = numbered.part AND {t}.ctid = numbered.place "
        "AND (numbered.n > 1 OR numbered.unknown) RETURNING {t}.*) INSERT INTO {aside} SELECT * FROM gone"
    ).format(columns=columns, **words)


def rewrite_chunks(
    table: str, *, time_column: str, chunks: Sequence[Chunk], interval: timedelta, is_date: bool
) -> Iterator[sql.Composable]:
    """Moves the rows of each chunk out and in again, so that they fall into chunks of `interval`. In one transaction.

    TimescaleDB gives a chunk its width when it is made; of a table with chunks of a week, nothing would be compressed
    until the week is over.
    """
    name, regclass = sql.Identifier(table), sql.Literal(sql.Identifier(table).as_string(None))
    moved = sql.Identifier("timescale_moved")
    yield sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(name)
    yield sql.SQL("SELECT set_chunk_time_interval({}, {})").format(regclass, sql.Literal(interval))
    for chunk in chunks:
        start, end = _bound(chunk.start, is_date=is_date), _bound(chunk.end, is_date=is_date)
        yield sql.SQL(
            "CREATE TEMPORARY TABLE {m} ON COMMIT DROP AS SELECT * FROM {t} WHERE {c} >= {start} AND {c} < {end}"
        ).format(m=moved, t=name, c=sql.Identifier(time_column), start=start, end=end)
        yield sql.SQL("SELECT count(*) FROM drop_chunks({}, older_than => {}, newer_than => {})").format(
            regclass, end, start
        )
        yield sql.SQL("INSERT INTO {} OVERRIDING SYSTEM VALUE SELECT * FROM {}").format(name, moved)
        yield sql.SQL("DROP TABLE {}").format(moved)


def _bound(moment: datetime, *, is_date: bool) -> sql.Composable:
    """Written as the column's own type: drop_chunks refuses another."""
    value: datetime | date = moment.astimezone(UTC)
    if is_date:
        return sql.SQL("{}::date").format(sql.Literal(moment.astimezone(UTC).date().isoformat()))
    return sql.SQL("{}::timestamptz").format(sql.Literal(value.isoformat()))


def mark(table: str) -> sql.Composable:
    """Remembers in the database itself that going back to zero must leave this table."""
    return sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(table), sql.Literal(_MARK))


IS_MARKED = "SELECT obj_description(to_regclass(quote_ident(%s)), 'pg_class') = '" + _MARK + "'"

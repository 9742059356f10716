"""Operations on what every table has: storage parameters, and indexes that a hypertable's chunks get one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import AddIndex
from django.db.models import Index
from psycopg import sql

from timescale.engine.adoption import Lock, Step
from timescale.engine.sizing import INDEXED, duration
from timescale.operations.base import Target, TimescaleOperation
from timescale.store import shapes


class SetStorageParameters(TimescaleOperation):
    """Sets storage parameters of a table on every edition, and of a hypertable's chunks. Backwards resets them."""

    def __init__(self, table: str, parameters: Mapping[str, float | int | bool | str]) -> None:
        self.table, self.parameters = table, parameters

    def forwards(self, target: Target) -> Iterable[sql.Composable]:
        pairs = [
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value))
            for name, value in self.parameters.items()
        ]
        yield sql.SQL("ALTER TABLE {} SET ({})").format(sql.Identifier(self.table), sql.SQL(", ").join(pairs))

    def backwards(self, target: Target) -> Iterable[sql.Composable]:
        names = sql.SQL(", ").join(sql.Identifier(name) for name in self.parameters)
        yield sql.SQL("ALTER TABLE {} RESET ({})").format(sql.Identifier(self.table), names)

    def describe(self) -> str:
        return f"Set {', '.join(self.parameters)} of {self.table}"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.table}_storage"


class AddHypertableIndex(AddIndex):
    """AddIndex for a table that may be a hypertable, may hold many rows, and may have the index already.

    In an atomic migration it is a CREATE INDEX like Django's. With `atomic = False` in the migration writers wait for
    one chunk at a time (a hypertable; CONCURRENTLY is refused there) or not at all (any other table). An interrupted
    build leaves an invalid index, which the next run replaces. An index of the same columns under another name is
    renamed, not built again.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        elif self.allow_migrate_model(schema_editor.connection.alias, model):
            for statement in self._statements(model, schema_editor):
                schema_editor.execute(statement, params=None)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        if schema_editor.connection.vendor != "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
        elif self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.execute(_drop(self.index.name), params=None)

    def steps(self, target: Target, *, app_label: str, state: Any) -> Iterable[Step]:
        table = state.apps.get_model(app_label, self.model_name)._meta.db_table
        standing = shapes.read_indexes(target.connection, table)
        if shapes.read_kind(target.connection, table) is None or any(self.index.name == i.name for i in standing):
            return
        if same := self._same(standing):
            yield Step(table, f"rename the index {same.name} to {self.index.name}")
        else:
            rows = shapes.read_rows(target.connection, table)
            says = f"create the index {self.index.name}"
            yield Step(table, says, Lock.WRITES, rows, duration(rows, rows_a_second=INDEXED))

    def _statements(self, model: Any, schema_editor: BaseDatabaseSchemaEditor) -> Iterable[Any]:
        table, connection = model._meta.db_table, schema_editor.connection
        printing = bool(schema_editor.collect_sql)
        standing = shapes.read_indexes(connection, table)
        if not printing:
            mine = next((index for index in standing if index.name == self.index.name), None)
            if mine and mine.valid:
                return
            if mine:
                yield _drop(mine.name)
        if same := self._same(standing):
            renamed = sql.SQL("ALTER INDEX {} RENAME TO {}")
            yield renamed.format(sql.Identifier(same.name), sql.Identifier(self.index.name)).as_string(None)
            return
        is_hypertable = shapes.read_interval(connection, table) is not None
        alone = not schema_editor.atomic_migration and not connection.in_atomic_block
        if not alone or is_hypertable:
            statement = self.index.create_sql(model, schema_editor)
        else:
            statement = self.index.create_sql(model, schema_editor, concurrently=True)
        if alone and is_hypertable:
            option = "timescaledb.transaction_per_chunk"
            parts: dict[str, Any] = statement.parts
            extra = str(parts["extra"])
            has_options = "WITH (" in extra
            parts["extra"] = (
                extra.replace("WITH (", f"WITH ({option}, ", 1) if has_options else f" WITH ({option}){extra}"
            )
        yield statement

    def _same(self, standing: Iterable[shapes.Index]) -> shapes.Index | None:
        """A valid index that does what this one is for, under a name that no model knows."""
        index = self.index
        if type(index) is not Index or index.condition or index.expressions or index.opclasses or index.include:
            return None
        wanted = tuple((name, order == "DESC") for name, order in index.fields_orders)
        found = (i for i in standing if i.valid and i.plain and i.columns == wanted and i.name != index.name)
        return next(found, None)


def _drop(name: str) -> str:
    return sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(name)).as_string(None)

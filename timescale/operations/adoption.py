"""Creates a model's table, or makes one that stands already serve as it, with all its rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import CreateModel

from timescale.engine.adoption import Column, Shape, Step, Unfit, WantedShape, plan_table, step_of
from timescale.operations.base import Target
from timescale.store import adoption, catalog, shapes
from timescale.store.errors import NotAdoptable

DAY = timedelta(days=1)


class CreateOrAdoptModel(CreateModel):
    """CreateModel where there is no such table; else the table that stands is changed in place, and no row is lost.

    Columns are added, widened, freed of NOT NULL; the key is made, and rows that would break it go to
    `<table>_set_aside`; columns of others, indexes, views and grants stay. `fill` names for a key column that is
    missing the column it is filled from. What can't be done without a loss raises NotAdoptable, and nothing is changed.

    Backwards drops a table that it created, as CreateModel does, and leaves one that stood before.
    """

    def __init__(self, name: str, fields: Any, fill: Mapping[str, str] | None = None, **options: Any) -> None:
        self.fill = dict(fill or {})
        super().__init__(name, fields, **options)

    def deconstruct(self) -> Any:
        name, args, kwargs = super().deconstruct()
        return name, args, kwargs | ({"fill": self.fill} if self.fill else {})

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        model, connection = to_state.apps.get_model(app_label, self.name), schema_editor.connection
        found = self._find(model, connection)
        if found is None:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        elif self.allow_migrate_model(connection.alias, model):
            table = model._meta.db_table
            for change in self._changes(model, connection, found):
                for statement in adoption.statements(table, change):
                    schema_editor.execute(statement.as_string(None), params=None)
            schema_editor.execute(adoption.mark(table).as_string(None), params=None)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        model, connection = from_state.apps.get_model(app_label, self.name), schema_editor.connection
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(adoption.IS_MARKED, [model._meta.db_table])
                if cursor.fetchone()[0]:
                    return
        super().database_backwards(app_label, schema_editor, from_state, to_state)

    def steps(self, target: Target, *, app_label: str, state: Any) -> Iterable[Step]:
        model = state.apps.get_model(app_label, self.name)
        found = self._find(model, target.connection)
        if found is None:
            yield Step(model._meta.db_table, "create the table")
        else:
            yield from (step_of(change, found) for change in self._changes(model, target.connection, found))

    def _find(self, model: Any, connection: BaseDatabaseWrapper) -> Shape | None:
        return shapes.read_shape(connection, self._wanted(model, connection)) if _is_postgres(connection) else None

    def _changes(self, model: Any, connection: BaseDatabaseWrapper, found: Shape) -> tuple[Any, ...]:
        try:
            return plan_table(self._wanted(model, connection), found)
        except Unfit as unfit:
            raise NotAdoptable(unfit.table, unfit.why) from unfit

    def _wanted(self, model: Any, connection: BaseDatabaseWrapper) -> WantedShape:
        fields = [field for field in model._meta.local_concrete_fields if field.column]
        key = model._meta.pk_fields
        return WantedShape(
            table=model._meta.db_table,
            columns=tuple(Column(f.column, f.db_type(connection), f.null) for f in fields),
            key=tuple(field.column for field in key),
            fill=self.fill,
        )


def _is_postgres(connection: BaseDatabaseWrapper) -> bool:
    return connection.vendor == "postgresql"


def standing_bound(connection: BaseDatabaseWrapper, table: str, *, time_column: str, default: timedelta) -> timedelta:
    """How long rows of a table that stands are to be kept at first, so that adopting it drops none of them.

    The longest of `default`, what its retention policy says, and the age of its oldest row and a day.
    """
    bounds = [default]
    seen = catalog.read_catalog(connection)
    bounds += [job.after for job in seen.jobs_of(table) if job.kind == "retention" and job.after is not None]
    has_time = any(column.name == time_column for column in shapes.read_columns(connection, table))
    oldest = shapes.read_oldest(connection, table, time_column=time_column) if has_time else None
    if oldest is not None and (age := datetime.now(tz=UTC) - oldest) > default:
        bounds.append((math.ceil(age / DAY) + 1) * DAY)
    return max(bounds)

"""What all operations share: which edition is met, and SQL that `sqlmigrate` can print. Holds no SQL of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from psycopg import sql

from timescale.engine.adoption import Step
from timescale.engine.edition import Detection, Edition
from timescale.store import catalog


@dataclass(frozen=True)
class Target:
    """The database that an operation meets."""

    connection: BaseDatabaseWrapper
    detection: Detection
    printing: bool  # sqlmigrate, or a dry run: what earlier operations would have made is not there yet

    @property
    def edition(self) -> Edition:
        return self.detection.edition_to_be if self.printing else self.detection.edition

    @classmethod
    def of(cls, connection: BaseDatabaseWrapper, *, printing: bool) -> Target:
        return cls(connection, catalog.read_detection(connection), printing)


class TimescaleOperation(Operation):
    """An operation on the database alone; models are as before. Does nothing on a database that is not PostgreSQL.

    Each can run twice in either direction, and is written for the edition it meets, so one migration serves
    TimescaleDB's Community and Apache editions and plain PostgreSQL.
    """

    reduces_to_sql = True
    not_here: ClassVar[str] = "nothing to do on this edition"
    # Whether an upgrade may run it again on a database that has been migrated: so it can follow the edition. Not what
    # would undo a change that somebody made since, as to the width of chunks.
    again: ClassVar[bool] = True

    def steps(self, target: Target, *, app_label: str, state: Any) -> Iterable[Step]:
        """What forwards would do now, for a person to read first; empty where all stands. `state` is the one after."""
        return ()

    def forwards(self, target: Target) -> Iterable[sql.Composable]:
        raise NotImplementedError

    def backwards(self, target: Target) -> Iterable[sql.Composable]:
        raise NotImplementedError

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Models are as before."""

    def database_forwards(self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_: Any) -> None:
        self._run(app_label, schema_editor, self.forwards)

    def database_backwards(self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_: Any) -> None:
        self._run(app_label, schema_editor, self.backwards)

    def _run(self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, direction: Any) -> None:
        connection = schema_editor.connection
        if connection.vendor != "postgresql" or not router.allow_migrate(connection.alias, app_label):
            return
        target = Target.of(connection, printing=bool(schema_editor.collect_sql))
        statements = [statement.as_string(None) for statement in direction(target)]
        if target.printing:
            note = f"-- for edition: {target.edition}" + ("" if statements else f" ({self.not_here})")
            schema_editor.collected_sql.append(note)
        for statement in statements:
            schema_editor.execute(statement, params=None)


def regclass(name: str) -> sql.Literal:
    """The name as a string that PostgreSQL reads as a relation, whatever characters it has."""
    return sql.Literal(sql.Identifier(name).as_string(None))

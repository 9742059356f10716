"""Runs a migration operation by itself, forwards and backwards, on the default connection."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.db.migrations.state import ProjectState

TABLE = 'Odd "ticks"'  # capitals, a space and quotes: everything has to be quoted
QUOTED = '"Odd ""ticks"""'
HOUR = timedelta(hours=1)


def sql(statement: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def run(operation, *, backwards: bool = False, state: ProjectState | None = None, atomic: bool = True) -> None:
    state = state or ProjectState()
    with connection.schema_editor(atomic=atomic) as editor:
        direction = operation.database_backwards if backwards else operation.database_forwards
        direction("timescale", editor, state, state)


def there_and_back(operation, read) -> tuple:
    """Each step twice; what `read` answers after forwards and after backwards, whichever time it was."""
    found = []
    for backwards in (False, True):
        run(operation, backwards=backwards)
        once = read()
        run(operation, backwards=backwards)
        assert read() == once
        found.append(once)
    return tuple(found)


def printed(operation, *, backwards: bool = False) -> str:
    """What sqlmigrate would print of it."""
    state = ProjectState()
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        (operation.database_backwards if backwards else operation.database_forwards)("timescale", editor, state, state)
    return "\n".join(editor.collected_sql)

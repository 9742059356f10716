"""Names from rows reach SQL as identifiers only; and nothing that arrives from outside is unpickled."""

from __future__ import annotations

import ast
import pickle
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as in_force
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone
from kombu.exceptions import ContentDisallowed
from kombu.serialization import loads
from psycopg import sql

from timescale.models import HypertablePolicy
from timescale.services import enforce_retention
from timescale.store.commands import columnstore_settings
from tradeul_ops.celery import app
from tradeul_ops.runs import Outcome

HOSTILE = ('x"; DROP TABLE victim; --', "x'; DROP TABLE victim; --", "x; DROP TABLE victim", "%s", "a.b", "Ñ x")
OURS = ("streams", "snapshots", "timescale", "tradeul_ops")
UNSAFE = {"pickle", "cPickle", "dill", "shelve", "jsonpickle", "yaml"}  # of marshal, only what reads


@pytest.mark.parametrize("name", HOSTILE)
def test_a_row_with_another_name_than_forms_take_is_refused_and_never_sql(transactional_db: None, name: str) -> None:
    table = column = '"' + name.replace('"', '""') + '"'
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE victim (id int)")
        cursor.execute(f"CREATE TABLE {table} ({column} timestamptz)")
        cursor.execute(f"INSERT INTO {table} SELECT now() - n * interval '1 day' FROM generate_series(0, 9) n")
    try:
        HypertablePolicy.objects.update(enabled=False)
        day = timedelta(days=1)
        spans = {"chunk_time_interval": day, "drop_after": 5 * day, "retention_schedule_interval": day}
        HypertablePolicy.objects.create(table_name=name, time_column=name, **spans)
        HypertablePolicy.objects.filter(table_name="scan_results").update(enabled=True)
        runs = {run.table_name: run for run in enforce_retention(now=timezone.now())}
        assert runs[name].outcome == Outcome.FAILED and "is no name" in runs[name].detail
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone()[0] == 10
            cursor.execute("SELECT count(*) FROM victim")
            assert cursor.fetchone()[0] == 0
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {table}")
            cursor.execute("DROP TABLE victim")


@pytest.mark.parametrize("value", ["symbol'); DROP TABLE victim; --", "symbol\\'; --", "symbol, 1=1"])
def test_a_list_of_columns_reaches_sql_as_one_literal_and_a_form_refuses_it(db: None, value: str) -> None:
    said = columnstore_settings("scan_results", segmentby=value, orderby=value)
    with connection.cursor() as cursor:
        text = said.as_string(cursor.cursor)
        literal = sql.Literal(value).as_string(cursor.cursor)
    assert text.count(literal) == 2
    assert "DROP" not in text.replace(literal, "") and "1=1" not in text.replace(literal, "")
    row = HypertablePolicy.objects.get(table_name="scan_results")
    row.segmentby = row.orderby = value
    with pytest.raises(ValidationError) as refused:
        row.full_clean()
    assert {"segmentby", "orderby"} <= refused.value.message_dict.keys()


def test_celery_takes_json_alone() -> None:
    assert app.conf.accept_content == ["json"]
    assert (app.conf.task_serializer, app.conf.result_serializer, app.conf.event_serializer) == ("json",) * 3
    body = pickle.dumps({"a": 1})
    with pytest.raises(ContentDisallowed):
        loads(body, "application/x-python-serialize", "binary", accept=app.conf.accept_content)


def test_sessions_and_messages_are_json() -> None:
    assert in_force.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer"
    assert "pickle" not in in_force.MESSAGE_STORAGE.lower()


def test_no_module_of_ours_can_unpickle_or_evaluate(repository: Path) -> None:
    guilty: list[Any] = []
    for path in (path for app_ in OURS for path in (repository / app_).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = [node.func.id] if node.func.id in {"eval", "exec"} else []
            guilty += [(path.name, name) for name in names if name.partition(".")[0] in UNSAFE | {"eval", "exec"}]
            if (
                isinstance(node, ast.Attribute)
                and node.attr in {"load", "loads"}
                and ast.unparse(node.value) == "marshal"
            ):
                guilty.append((path.name, "marshal.loads"))
    assert guilty == []

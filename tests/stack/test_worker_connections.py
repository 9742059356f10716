"""A worker's thread keeps its connection to PostgreSQL from task to task, unless it is old or broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from celery.fixups.django import DjangoWorkerFixup
from celery.signals import task_postrun, task_prerun
from django.db import connection

from streams.tasks import publish_limits
from tradeul_ops.celery import app

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run_task(redis: object) -> Iterator[Callable[[], int]]:
    """What a worker's thread does around a task that asks PostgreSQL; the number of the session that answered."""
    fixup = DjangoWorkerFixup(app)
    fixup.install()
    task = publish_limits
    task.push_request(id="test", is_eager=False)

    def run() -> int:
        task_prerun.send(sender=task, task=task, task_id="test")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            session: int = cursor.fetchone()[0]
        task_postrun.send(sender=task, task=task, task_id="test")
        return session

    yield run
    task.pop_request()
    task_prerun.disconnect(fixup.on_task_prerun)
    task_postrun.disconnect(fixup.on_task_postrun)


def test_tasks_share_a_session(run_task: Callable[[], int]) -> None:
    assert len({run_task() for _ in range(5)}) == 1


def test_an_old_one_is_replaced(run_task: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_task()
    monkeypatch.setattr(connection, "close_at", 0.0)  # its CONN_MAX_AGE is over
    assert run_task() != first


def test_one_that_the_server_ended_is_replaced_before_the_next_task(run_task: Callable[[], int]) -> None:
    first = run_task()
    said = connection.get_connection_params()
    known = {name: said[name] for name in ("dbname", "user", "password", "host", "port") if name in said}
    with psycopg.connect(**known, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
    assert run_task() != first, "and it is no error of the task"

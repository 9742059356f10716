"""Migrations: the guide's limits come, stay where somebody edited them, and go again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from streams.engine.defaults import GUIDE_LIMITS
from streams.models import StreamLimit

pytestmark = pytest.mark.django_db(transaction=True)

SCHEMA, DATA = ("streams", "0001_initial"), ("streams", "0002_guide_limits")
Rows = Any


@pytest.fixture
def migrate() -> Iterator[Callable[[tuple[str, str | None]], Rows]]:
    """Migrates and returns StreamLimit's rows as they are then. At the end all is as it was."""

    def to(target: tuple[str, str | None]) -> Rows:
        executor = MigrationExecutor(connection)
        executor.migrate([target])
        apps = executor.loader.project_state([target]).apps if target[1] else None
        return apps.get_model("streams", "StreamLimit").objects if apps else None

    yield to
    MigrationExecutor(connection).migrate(MigrationExecutor(connection).loader.graph.leaf_nodes("streams"))


def test_the_guides_limits_come_and_go(migrate: Callable[..., Rows]) -> None:
    migrate(SCHEMA)
    StreamLimit.objects.all().delete()
    migrate(DATA)
    assert {row.pattern: row.rule for row in StreamLimit.objects.all()} == GUIDE_LIMITS
    assert not migrate(SCHEMA).exists()


def test_a_limit_that_is_there_is_left_as_it_is(migrate: Callable[..., Rows]) -> None:
    rows = migrate(SCHEMA)
    rows.all().delete()
    rows.create(
        pattern="snapshots:raw",
        maxlen=7,
        trim_threshold=8,
        trim_interval=timedelta(seconds=9),
        protect_groups=False,
    )
    migrate(DATA)
    assert StreamLimit.objects.count() == 5
    assert StreamLimit.objects.get(pattern="snapshots:raw").maxlen == 7
    StreamLimit.objects.filter(pattern="tickers:filtered").update(maxlen=499)
    left = migrate(SCHEMA)
    assert dict(left.values_list("pattern", "maxlen")) == {"snapshots:raw": 7, "tickers:filtered": 499}


def test_to_zero_and_back(migrate: Callable[..., Rows]) -> None:
    def tables() -> list[str]:
        return sorted(name for name in connection.introspection.table_names() if name.startswith("streams_"))

    before = tables()
    migrate(("streams", None))
    assert tables() == []
    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes("streams")[0])
    assert tables() == before
    assert StreamLimit.objects.count() == 5

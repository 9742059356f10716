"""Every test begins as a worker that was just started: nothing published is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_library
from django.test import Client

from snapshots import services
from snapshots.models import SnapshotPolicy
from tests.snapshots import generators
from tests.snapshots.factories import later, make_policy, put

TOKEN = "a-token-of-the-tests"


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    services.forget()
    yield
    services.forget()


@pytest.fixture
def machine(settings: Any, db: None) -> Client:
    """Asks over HTTP with the token."""
    settings.METRICS_TOKEN = TOKEN
    return Client(headers={"authorization": f"Bearer {TOKEN}"})


@pytest.fixture
def published(redis: redis_library.Redis, db: None) -> redis_library.Redis:
    """A full and two deltas, of 40 tickers; the snapshot is the default one."""
    SnapshotPolicy.objects.update(is_default=False)
    make_policy(is_default=True)
    records = generators.market(3, tickers=40)
    for number in range(3):
        put(redis, records)
        services.build_snapshots(later(5 * number))
        records = generators.tick(records, number)
    return redis

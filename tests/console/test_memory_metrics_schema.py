"""The schema file of the metrics JSON, against real answers: whole, empty, and with a server away."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from snapshots import services as snapshots
from tests.console.schemas import wrong
from tests.snapshots.factories import RECORDS, make_policy, put
from tests.streams.factories import fill
from tradeul_ops import liveness
from tradeul_ops.demo.servers import free_port

ADDRESS = "/api/v1/internal/memory-metrics"


@pytest.fixture
def schema(repository: Path) -> dict[str, Any]:
    return json.loads((repository / "docs/memory-metrics.schema.json").read_text())


@pytest.fixture
def luis(client: Client, db: None) -> Client:
    client.force_login(get_user_model().objects.create_user("luis"))
    return client


def test_an_answer_with_everything_in_it(luis: Client, schema: dict[str, Any], redis: redis_library.Redis) -> None:
    fill(redis, "snapshots:raw", 1500)
    redis.xgroup_create("snapshots:raw", "scanner", "0")
    make_policy()
    put(redis, RECORDS)
    snapshots.build_snapshots(now=timezone.now())
    liveness.stamp("worker")
    said = luis.get(ADDRESS)
    assert said.status_code == 200
    answer = said.json()
    assert any(row["age"] is not None and row["full_bytes"] for row in answer["snapshots"])
    assert answer["processes"]["worker"]["last_seen"] is not None
    assert list(wrong(answer, schema)) == []


def test_an_answer_of_empty_servers(luis: Client, schema: dict[str, Any], redis: redis_library.Redis) -> None:
    assert list(wrong(luis.get(ADDRESS).json(), schema)) == []


def test_an_answer_with_redis_away(luis: Client, schema: dict[str, Any], settings) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"
    said = luis.get(ADDRESS)
    assert said.status_code == 503
    answer = said.json()
    assert answer["streams"] is None and answer["errors"].keys() >= {"streams", "redis", "processes"}
    assert list(wrong(answer, schema)) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda answer: answer.pop("redis"), "redis is missing"),
        (lambda answer: answer.update(more=1), "more is not documented"),
        (lambda answer: answer["redis"].update(used_bytes="1 MB"), "is no integer"),
        (lambda answer: answer["redis"].update(used_bytes=-1), "below 0"),
        (lambda answer: answer["processes"]["beat"].update(condition="fine"), "is none of"),
        (lambda answer: answer.update(timestamp="2026-03-09T14:30:00"), "has no offset"),
    ],
)
def test_the_check_sees_what_is_wrong(
    luis: Client, schema: dict[str, Any], redis: redis_library.Redis, change: Any, sentence: str
) -> None:
    answer = luis.get(ADDRESS).json()
    change(answer)
    assert sentence in " ".join(wrong(answer, schema))


def test_ages_are_spelled_as_the_schema_says(schema: dict[str, Any]) -> None:
    age = schema["properties"]["snapshots"]["oneOf"][0]["items"]["properties"]["age"]
    for value in (timedelta(seconds=3.25), timedelta(days=1, hours=2), timedelta(days=40)):
        assert list(wrong(str(value), age)) == []

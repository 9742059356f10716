"""docs/openapi.json against the running console: each answer to whatever is asked is one that the document has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from django.urls import get_resolver
from hypothesis import Phase, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from snapshots import services as snapshots
from snapshots.models import SnapshotPolicy
from tests.fuzz.conftest import examples
from tests.snapshots import generators
from tests.snapshots.factories import later, make_policy, put
from tradeul_ops.access import hash_of
from tradeul_ops.wsgi import application

TOKEN = "a-token-of-the-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Host": "localhost", "Accept-Encoding": "identity"}
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
ROOT = Path(__file__).resolve().parent.parent.parent
PUBLIC = {"live", "ready"}


def document() -> dict[str, Any]:
    """The metrics' schema, a file of its own, put in."""
    said = json.loads((ROOT / "docs/openapi.json").read_text())
    metrics = json.loads((ROOT / "docs/memory-metrics.schema.json").read_text())
    for response in said["paths"]["/api/v1/internal/memory-metrics"]["get"]["responses"].values():
        for content in response.get("content", {}).values():
            content["schema"] = metrics
    return said


@pytest.fixture
def connection_stays() -> Iterator[None]:
    """As Django's own test client has it: the connection holds the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def published(redis: redis_library.Redis, db: None, settings: Any, connection_stays: None) -> None:
    """A full and two deltas under the name “test”, the default one."""
    settings.TOKENS = {"tests": hash_of(TOKEN)}
    SnapshotPolicy.objects.update(is_default=False)
    make_policy(is_default=True)
    records = generators.market(3, tickers=10)
    for number in range(3):
        put(redis, records)
        snapshots.build_snapshots(later(5 * number))
        records = generators.tick(records, number)


def test_the_document_has_every_address_for_machines() -> None:
    named = {"memory-metrics", "metrics", "healthz", "readyz", "full", "delta", "head", "since"}
    found = {
        str(one.pattern)
        for resolver in (get_resolver(), *get_resolver().url_patterns)
        for one in getattr(resolver, "url_patterns", ())
        if getattr(one, "name", "") in named
    }
    assert found >= {"api/v1/internal/memory-metrics", "metrics", "healthz", "readyz"}
    assert set(document()["paths"]) == {
        *(f"/{path}" for path in found if "/" in path or not path.startswith("<")),
        *(f"/snapshot/{kind}/latest" for kind in ("full", "delta", "head")),
        "/snapshot/{list}/since/{sequence}",
    }


def test_every_answer_is_one_that_the_document_has(published: None) -> None:
    schema = schemathesis.openapi.from_dict(document())
    schema.app = application
    seen: set[tuple[str, int]] = set()
    for result in schema.get_all_operations():
        operation = result.ok()

        def check(case: Any) -> None:
            answer = case.call(headers=HEADERS)
            seen.add((case.path, answer.status_code))
            case.validate_response(answer, checks=CHECKS)

        given(case=operation.as_strategy())(settings(examples(), phases=(Phase.generate,))(check))()
    assert {path for path, status in seen if status == 200} >= set(document()["paths"]) - {
        "/snapshot/{list}/since/{sequence}"  # whose names are made up, and none is published
    }


def test_what_exists_answers_as_documented_in_every_shape(published: None) -> None:
    schema = schemathesis.openapi.from_dict(document())
    schema.app = application
    asked = [
        ("/snapshot/full/latest", {"shape": "rows"}, 200),
        ("/snapshot/full/latest", {"shape": "other"}, 400),
        ("/snapshot/delta/latest", {"shape": "rows", "list": "test"}, 200),
        ("/snapshot/head/latest", {"list": "nothing"}, 404),
    ]
    for path, query, status in asked:
        case = schema[path]["GET"].Case(query=query)
        answer = case.call(headers=HEADERS)
        assert answer.status_code == status
        case.validate_response(answer, checks=CHECKS)
    for sequence, status in ((1, 200), (99, 410)):
        case = schema["/snapshot/{list}/since/{sequence}"]["GET"].Case(
            path_parameters={"list": "test", "sequence": sequence}
        )
        answer = case.call(headers=HEADERS)
        assert answer.status_code == status
        case.validate_response(answer, checks=CHECKS)


def test_without_a_token_every_address_but_the_probes_is_401(published: None) -> None:
    for path, methods in document()["paths"].items():
        address = path.replace("{list}", "test").replace("{sequence}", "1")
        status = Client().get(address).status_code
        assert status == (200 if methods["get"]["operationId"] in PUBLIC else 401), path

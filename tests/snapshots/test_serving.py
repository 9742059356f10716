"""Many readers at once cost what one does, and pages of other origins read only where they may."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import redis as redis_library
from django.test import Client

from snapshots import services, store
from snapshots.engine import gzipped
from tests.snapshots.factories import later

# WhiteNoise warns in every process that has no collected static files.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]
PAGE = "https://app.example.com"

# --- many at once ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("accepts", ["zstd", "gzip"])
@pytest.mark.parametrize("path", ["full/latest?list=test", "delta/latest?list=test", "test/since/2", "test/since/1"])
def test_many_at_once_cost_one_read_and_one_encoding(
    machine: Client, published: redis_library.Redis, monkeypatch: pytest.MonkeyPatch, path: str, accepts: str
) -> None:
    done: list[str] = []

    def counted(module: Any, name: str) -> None:
        real = getattr(module, name)

        def instead(*args: Any, **kwargs: Any) -> Any:
            if not (name == "deflate" and len(args[0]) < 200):  # the brackets around the documents
                done.append(name)
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, instead)

    for module, name in ((store, "read_full"), (store, "read_deltas"), (store, "unpacked"), (gzipped, "deflate")):
        counted(module, name)
    readers = 16
    together = Barrier(readers)

    def read(_: int) -> bytes:
        together.wait()
        response = machine.get(f"/snapshot/{path}", headers={"accept-encoding": accepts})
        assert response.status_code == 200
        return bytes(response.content)

    with ThreadPoolExecutor(readers) as threads:
        answers = set(threads.map(read, range(readers)))
    assert len(answers) == 1
    documents = 2 if path.endswith("/1") else 1
    assert done.count("deflate") == done.count("unpacked") == (documents if accepts == "gzip" else 0)
    # Only who asks for several deltas at once may read them beside others.
    assert done.count("read_full") + done.count("read_deltas") == 1 or documents == 2


def test_a_full_that_came_meanwhile_is_what_is_answered(
    machine: Client, published: redis_library.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head is read first: by the time the full is, it may be another."""
    real, built = store.read_full, []

    def read_full(redis: Any, name: str) -> bytes:
        if not built:
            built.append(services.build_snapshots(later(300)))
        return real(redis, name)

    monkeypatch.setattr(store, "read_full", read_full)
    response = machine.get("/snapshot/full/latest")
    assert (response.status_code, response.json()["seq"]) == (200, 4)
    assert response.json()["epoch"] in response["ETag"] and "-4-full" in response["ETag"]


# --- pages of other origins ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["full/latest", "test/since/1", "test/since/9", "full/latest?list=none"])
def test_a_page_of_an_allowed_origin_may_read_answers_and_errors(
    machine: Client, published: redis_library.Redis, settings: Any, path: str
) -> None:
    settings.SNAPSHOT_ORIGINS = [PAGE]
    response = machine.get(f"/snapshot/{path}", headers={"origin": PAGE})
    assert response["Access-Control-Allow-Origin"] == PAGE
    assert response["Access-Control-Expose-Headers"] == "ETag"
    for origin in ("https://evil.example.com", PAGE + ".evil.com", "null", "*", ""):
        other = machine.get(f"/snapshot/{path}", headers={"origin": origin})
        assert "Access-Control-Allow-Origin" not in other
        assert "Origin" in other["Vary"]


def test_a_preflight_needs_no_login_and_tells_what_may_be_sent(machine: Client, settings: Any) -> None:
    settings.SNAPSHOT_ORIGINS = [PAGE]
    asked = {"origin": PAGE, "access-control-request-method": "GET", "access-control-request-headers": "authorization"}
    response = Client().options("/snapshot/full/latest", headers=asked)
    assert (response.status_code, response.content) == (204, b"")
    assert response["Access-Control-Allow-Origin"] == PAGE
    assert "Authorization" in response["Access-Control-Allow-Headers"]
    assert response["Access-Control-Allow-Methods"] == "GET, HEAD"
    refused = Client().options("/snapshot/full/latest", headers={**asked, "origin": "https://evil.example.com"})
    assert refused.status_code == 403 and "Access-Control-Allow-Origin" not in refused
    assert machine.options("/snapshot/full/latest").status_code == 405


def test_strangers_of_an_allowed_origin_are_told_that_they_must_log_in(settings: Any) -> None:
    settings.SNAPSHOT_ORIGINS = [PAGE]
    response = Client().get("/snapshot/full/latest", headers={"origin": PAGE})
    assert (response.status_code, response["Access-Control-Allow-Origin"]) == (401, PAGE)

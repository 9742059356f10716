"""The examples of the producer's README run as they stand there."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
import redis.asyncio as redis_asyncio

from streams.producer import _process
from tests.streams.factories import make_limit
from tests.streams.test_producer import publish

Redis = redis_library.Redis
SNAPSHOT = {"AAPL": {"price": 187.2, "halted": False}}


@pytest.fixture(autouse=True)
def no_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_process, "_manager", None)


async def run(example: str, names: dict[str, Any]) -> None:
    code = compile(example, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if inspect.iscoroutine(answer := eval(code, names)):
        await answer


async def request(app: Any, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    """What an ASGI server would do with one request."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(content)


def examples(repository: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (repository / "streams/producer/README.md").read_text("utf-8"), re.DOTALL)


def test_the_readmes_fastapi_example(
    redis: Redis, redis_url: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(redis, make_limit("snapshots:raw", 1000))
    monkeypatch.setenv("REDIS_URL", redis_url)
    (example,) = (code for code in examples(repository) if "FastAPI" in code)
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    app = names["app"]

    async def served() -> None:
        async with app.router.lifespan_context(app):
            assert await request(app, "POST", "/snapshots", json.dumps(SNAPSHOT).encode()) == (200, {"added": 1})
            status, shown = await request(app, "GET", "/memory")
            assert status == 200
            assert shown["stats"]["total_adds"] == 1
            assert shown["streams"] == [{"stream": "snapshots:raw", "length": 1, "maxlen": 1000, "usage_percent": 0.1}]

    asyncio.run(served())
    assert json.loads(redis.xrange("snapshots:raw")[0][1][b"data"]) == SNAPSHOT


def test_the_readmes_other_examples(redis: Redis, redis_url: str, repository: Path) -> None:
    publish(redis, make_limit("snapshots:raw", 1000))
    names: dict[str, Any] = {"redis_client": redis, "snapshot": SNAPSHOT, "deltas": [{"n": n} for n in range(150)]}
    others = [code for code in examples(repository) if "FastAPI" not in code]
    assert len(others) == 2

    async def examples_run() -> None:
        for code in others:
            if "await" in code:
                names["redis_client"] = redis_asyncio.Redis.from_url(redis_url)
            await run(code, names)
        await names["redis_client"].aclose()

    asyncio.run(examples_run())
    assert redis.xlen("snapshots:raw") >= 2
    assert redis.xlen("stream:ranking:deltas") == 300

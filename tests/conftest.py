"""Real servers for the tests: the environment's, else containers where Docker answers, else the embedded ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import environ
import pytest
import redis as redis_library

from tradeul_ops import connections
from tradeul_ops.demo.servers import PostgresServer, ValkeyServer, free_port

# Keys that are neither streams nor expiring, and why that is right.
UNBOUNDED_BY_DESIGN = (
    b"tradeul:streams:limits",  # one field a limit
    b"tradeul:streams:producers",  # one field a live producer, swept by publish_limits
    b"tradeul:streams:known",  # one member a stream
    b"tradeul:snapshots:policies",  # one field a policy of a manager
)


@pytest.fixture(scope="session", autouse=True)
def _tasks_are_known() -> None:
    """As in a worker: a task that only its name is known of can't run in this process."""
    from tradeul_ops.celery import app

    app.loader.import_default_modules()


@pytest.fixture(scope="session")
def docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, check=False)
    return asked.returncode == 0


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory, docker_answers: bool) -> Iterator[str]:
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
    elif docker_answers:
        from testcontainers.postgres import PostgresContainer

        with PostgresContainer("postgres:18-alpine", driver=None) as container:
            yield container.get_connection_url()
    else:
        server = PostgresServer(tmp_path_factory.mktemp("postgres"), free_port())
        server.start()
        yield server.url
        server.stop()


@pytest.fixture(scope="session")
def community_url(tmp_path_factory: pytest.TempPathFactory, docker_answers: bool) -> Iterator[str]:
    """TimescaleDB of the Community edition; skips where there is none."""
    from tests.timescale.servers import Edition, timescale_server

    with timescale_server(Edition.COMMUNITY, tmp_path_factory.mktemp("community"), docker_answers) as url:
        yield url


@pytest.fixture(scope="session")
def apache_url(tmp_path_factory: pytest.TempPathFactory, docker_answers: bool) -> Iterator[str]:
    from tests.timescale.servers import Edition, timescale_server

    with timescale_server(Edition.APACHE, tmp_path_factory.mktemp("apache"), docker_answers) as url:
        yield url


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres_url: str) -> None:
    from django.db import connections as databases

    databases.settings["default"].update(environ.Env.db_url_config(postgres_url))


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory, docker_answers: bool) -> Iterator[str]:
    """Its content is deleted before every test that asks for `redis`."""
    if url := os.environ.get("TEST_REDIS_URL"):
        worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
        yield url.rpartition("/")[0] + f"/{worker}"  # a database each: every test empties its own
    elif docker_answers:
        from testcontainers.redis import RedisContainer

        with RedisContainer("redis:8-alpine") as container:
            yield f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
    else:
        server = ValkeyServer(tmp_path_factory.mktemp("valkey"), free_port(), options={"save": ""})
        server.start()
        yield server.url
        server.stop()


@pytest.fixture
def redis(redis_url: str, settings) -> Iterator[redis_library.Redis]:
    """An empty server that settings point at. Afterwards every key must be bounded."""
    settings.REDIS_URL = settings.CELERY_BROKER_URL = redis_url
    client = connections.data_redis()
    client.flushdb()
    yield client
    client = redis_library.Redis.from_url(redis_url)
    for key in client.scan_iter(count=1000):
        bounded = (
            key in UNBOUNDED_BY_DESIGN
            or key.startswith(b"test:")
            or client.pttl(key) != -1  # it expires, or has just done so
            or client.type(key) == b"stream"
        )
        assert bounded, f"{key!r} is neither a stream nor expiring, and on no list of keys that may stay"
    client.close()


@pytest.fixture
def wait_until() -> Callable[..., None]:
    def wait(predicate: Callable[[], object], description: str, *, within: timedelta = timedelta(seconds=10)) -> None:
        """Returns once `predicate()` is true; fails with `description` otherwise."""
        until = time.monotonic() + within.total_seconds()
        while not predicate():
            assert time.monotonic() < until, f"not within {within}: {description}"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parent.parent

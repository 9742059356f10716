"""Kill -9 of the worker, Redis and PostgreSQL in turn, under real processes: what recovers, and what is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis as redis_library

from tradeul_ops import connections
from tradeul_ops.demo.servers import PostgresServer, ValkeyServer, free_port
from tradeul_ops.demo.stack import BACKGROUND

pytestmark = pytest.mark.stack

SOON = timedelta(seconds=30)  # a sweep is 5 s away, a reconnection a few more
STREAM = "events:session"  # 100 entries, threshold 150
HELD = "tickers:filtered"  # 500 entries, ceiling 1,500


class Platform:
    """The servers, a worker and beat; `flood` and `sweeps` are how the tests look at them."""

    def __init__(self, directory: Path, repository: Path) -> None:
        self.postgres = PostgresServer(directory / "postgres", free_port(), settings={"fsync": "on"})
        self.data = ValkeyServer(
            directory / "data", free_port(), options={"appendonly": "yes", "appendfsync": "always"}
        )
        self.broker = ValkeyServer(directory / "broker", free_port())
        self.servers = (self.postgres, self.data, self.broker)
        self.repository, self.directory = repository, directory
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        for server in self.servers:
            server.start()
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tradeul_ops.settings",
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.data.url,
            "CELERY_BROKER_URL": self.broker.url,
            "BEAT_SCHEDULE_FILE": str(self.directory / "beat-schedule"),
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=self.repository,
            env=self.environment,
            check=True,
        )
        for name in ("worker", "beat"):
            self.spawn(name)

    def spawn(self, name: str) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                BACKGROUND[name], cwd=self.repository, env=self.environment, stdout=log, stderr=log
            )

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for server in self.servers:
            server.stop()

    @property
    def redis(self) -> redis_library.Redis:
        return connections.client(self.data.url)

    def flood(self) -> None:
        """Far past every bound, past a group that has read nothing."""
        with self.redis as client:
            for stream, entries in ((STREAM, 2000), (HELD, 900)):
                pipe = client.pipeline(transaction=False)
                for _ in range(entries):
                    pipe.xadd(stream, {"data": "x" * 50})
                pipe.execute()

    def bounded(self) -> bool:
        """The free stream is cut to a node above its limit."""
        try:
            with self.redis as client:
                return int(client.xlen(STREAM)) <= 200
        except redis_library.RedisError:
            return False

    def settled(self) -> bool:
        with self.redis as client:
            return int(client.xlen(HELD)) <= 1600

    def rows(self, query: str) -> list[Any]:
        with psycopg.connect(self.postgres.url) as database:
            return database.execute(query).fetchall()

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()


def _kill(server: PostgresServer | ValkeyServer) -> None:
    assert server.process is not None
    server.process.kill()
    server.process.wait()


@pytest.fixture
def platform(tmp_path: Path, repository: Path) -> Iterator[Platform]:
    running = Platform(tmp_path, repository)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def test_worker_redis_and_postgresql_are_killed_in_turn(platform: Platform, wait_until: Callable[..., None]) -> None:
    """Says: the outage of Redis in the history; the worker's log says “not this time”, without a traceback.
    Recovers: each within seconds of its server or process being back.
    Keeps: nothing that a group needed goes unrecorded, not even what was trimmed while PostgreSQL died.
    """
    with platform.redis as client:
        client.xgroup_create(HELD, "pricing", id="0", mkstream=True)
    platform.flood()
    wait_until(platform.bounded, "the first sweep", within=SOON)

    platform.processes["worker"].kill()
    platform.processes["worker"].wait()
    platform.flood()
    assert not platform.bounded()
    platform.spawn("worker")
    wait_until(platform.bounded, "a new worker to trim", within=SOON)

    _kill(platform.data)
    wait_until(
        lambda: platform.rows("SELECT 1 FROM streams_trimrun WHERE outcome = 'failed'"),
        "the outage of Redis to be on record",
        within=SOON,
    )
    platform.data.start()
    platform.flood()
    wait_until(platform.bounded, "trims to go on after Redis is back", within=SOON)

    said = len(platform.log("worker"))
    _kill(platform.postgres)
    wait_until(
        lambda: "trim what is due: not this time." in platform.log("worker")[said:],
        "the worker to say that it can't go on",
        within=SOON,
    )
    platform.postgres.start()
    platform.flood()
    wait_until(platform.bounded, "trims to go on after PostgreSQL is back", within=SOON)

    wait_until(platform.settled, "the held stream to be cut to its ceiling", within=SOON)
    with platform.redis as client:
        unread = client.xreadgroup("pricing", "late", {HELD: ">"}, count=10_000)[0][1]
    # Nothing that a group needed went unrecorded, not even what was trimmed while PostgreSQL died.
    query = "SELECT coalesce(sum(forced), 0) FROM streams_trimrun"
    wait_until(lambda: len(unread) + platform.rows(query)[0][0] == 4 * 900, "the loss to be on record", within=SOON)
    for name, process in platform.processes.items():
        assert process.poll() is None, name
        assert "Traceback" not in platform.log(name)
        assert " ERROR " not in platform.log(name)

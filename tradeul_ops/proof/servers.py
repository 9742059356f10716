"""The servers of both sides: started below a folder, or given and empty. Writes nothing into them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from tradeul_ops.connections import client
from tradeul_ops.demo.servers import PostgresServer, ServerError, ValkeyServer, bundled_postgres, free_port
from tradeul_ops.demo.timescale import installed_postgres
from tradeul_ops.proof.after import After, MakeAfter, QuietStack
from tradeul_ops.proof.before import Before
from tradeul_ops.proof.scale import Scale

GIVEN = {  # addresses of servers that are there already, and what each is
    "BEFORE_REDIS_URL": "an empty Redis for the platform as it was",
    "BEFORE_DATABASE_URL": "an empty database for it",
    "AFTER_REDIS_URL": "an empty Redis for the platform with this project",
    "AFTER_DATABASE_URL": "an empty database for it",
    "BROKER_URL": "a Redis for the tasks",
}
POSTGRES = {
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "maintenance_work_mem": "256MB",
    "max_worker_processes": "16",
    "synchronous_commit": "off",
}
TIMESCALE = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "6",
}


@contextmanager
def both_sides(
    scale: Scale, directory: Path, *, given: Mapping[str, str], make_after: MakeAfter = After
) -> Iterator[tuple[Before, After]]:
    """Their servers run, and hold no more than their schema. Raises as `prove` does."""
    with (
        _before(directory / "before", given) as before,
        _after(directory / "after", given, scale, make_after) as after,
    ):
        yield before, after


def _postgres(directory: Path, port: int) -> PostgresServer:
    """An installed one with TimescaleDB, where there is one: for both sides, so that the same server is compared."""
    installed = installed_postgres()
    settings = POSTGRES | (TIMESCALE if installed else {})
    return PostgresServer(
        directory, port, bin_path=installed[0] if installed else bundled_postgres(), settings=settings
    )


@contextmanager
def _before(directory: Path, given: Mapping[str, str]) -> Iterator[Before]:
    shutil.rmtree(directory, ignore_errors=True)
    side = Before()
    with ExitStack() as servers:
        redis_url, database_url, pid = given.get("BEFORE_REDIS_URL"), given.get("BEFORE_DATABASE_URL"), None
        if redis_url is None:
            redis = ValkeyServer(directory / "redis", free_port())
            servers.callback(redis.stop)
            redis.start()
            redis_url = redis.url
        if database_url is None:
            postgres = _postgres(directory / "postgres", free_port())
            servers.callback(postgres.stop)
            postgres.start()
            assert postgres.process is not None
            database_url, pid = postgres.url, postgres.process.pid
        _check_empty(redis_url, database_url)
        servers.callback(side.close)
        side.open(redis_url, database_url, postgres_pid=pid)
        yield side


@contextmanager
def _after(directory: Path, given: Mapping[str, str], scale: Scale, make: MakeAfter) -> Iterator[After]:
    names = {"DATABASE_URL": "AFTER_DATABASE_URL", "REDIS_URL": "AFTER_REDIS_URL", "CELERY_BROKER_URL": "BROKER_URL"}
    ours = {name: given[theirs] for name, theirs in names.items() if theirs in given}
    if "REDIS_URL" in ours or "DATABASE_URL" in ours:
        _check_empty(ours.get("REDIS_URL"), ours.get("DATABASE_URL"))
    stack = QuietStack(directory, 0, fresh=True, parts=(), given=ours, postgres=_postgres)
    with stack.running():
        side: After = make(stack, full_snapshot_interval=scale.full_snapshot_interval)
        server = stack.servers.get("DATABASE_URL")
        process = server.process if server else None
        try:
            side.open(
                stack.environment["REDIS_URL"],
                stack.environment["DATABASE_URL"],
                postgres_pid=process.pid if process else None,
            )
            yield side
        finally:
            side.close()


def _check_empty(redis_url: str | None, database_url: str | None) -> None:
    """A given server is written over: it must hold nothing. Raises ServerError."""
    if redis_url is not None:
        with client(redis_url) as redis:
            if keys := redis.dbsize():
                raise ServerError(f"{redis_url} holds {keys:,} keys; a proof takes an empty Redis only.")
    if database_url is not None:
        with psycopg.connect(database_url) as database:
            query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            [tables] = database.execute(query).fetchone() or (0,)
            if tables:
                raise ServerError(
                    f"the database of {database_url} has {tables} tables; a proof takes an empty one only."
                )

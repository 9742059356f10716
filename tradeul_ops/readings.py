"""Keeps what was asked of which server, when and for how long, while somebody wants to know. Asks nothing itself.

Recording costs nothing otherwise: a command looks once whether a list is open in this context.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis
from django.db import connection
from redis.cluster import RedisCluster


@dataclass(frozen=True, slots=True)
class Reading:
    """One round trip. `server` is Redis or PostgreSQL; `node` its address without user and password.

    `statements` as they were sent: the words of commands, or SQL with its values in place.
    """

    server: str
    node: str
    statements: tuple[tuple[Any, ...], ...]
    at: datetime
    took_ms: float


_open: ContextVar[list[Reading] | None] = ContextVar("readings", default=None)


@contextmanager
def recording() -> Iterator[list[Reading]]:
    """The list that grows with each round trip of this context, PostgreSQL's default database included."""
    found: list[Reading] = []
    token = _open.set(found)
    try:
        with ExitStack() as stack:
            stack.enter_context(connection.execute_wrapper(_record_sql))
            yield found
    finally:
        _open.reset(token)


def is_recording() -> bool:
    return _open.get() is not None


class _Noting:
    """Of either client."""

    def noted(self, statements: Sequence[tuple[Any, ...]]) -> Callable[[], None]:
        """For who sends over a connection of this client's pool: to be called when the answers are there."""
        found = _open.get()
        if found is None:
            return _nothing
        started, at = time.perf_counter(), datetime.now(tz=UTC)

        def answered() -> None:
            took = (time.perf_counter() - started) * 1000
            found.append(Reading("Redis", _node(self, statements), tuple(statements), at, took))

        return answered


class Watched(_Noting, redis.Redis):
    """Writes its round trips down while a list is open."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return _timed(self, (args,), super().execute_command, *args, **options)

    def pipeline(self, *args: Any, **options: Any) -> Any:
        return _watched_pipeline(self, super().pipeline(*args, **options))


class WatchedCluster(_Noting, RedisCluster):
    """The same for a cluster; its node is the one that has the first key."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return _timed(self, (args,), super().execute_command, *args, **options)

    def pipeline(self, *args: Any, **options: Any) -> Any:
        return _watched_pipeline(self, super().pipeline(*args, **options))  # type: ignore[no-untyped-call]


def _nothing() -> None:
    """Nobody wants to know."""


def _watched_pipeline(client: Any, pipe: Any) -> Any:
    if _open.get() is not None:
        execute = pipe.execute

        def timed(*args: Any, **options: Any) -> Any:
            sent = tuple(getattr(one, "args", None) or one[0] for one in pipe.command_stack)
            return _timed(client, sent, execute, *args, **options)

        pipe.execute = timed
    return pipe


def _timed(
    client: Any, statements: Sequence[tuple[Any, ...]], call: Callable[..., Any], *args: Any, **options: Any
) -> Any:
    found = _open.get()
    if found is None:
        return call(*args, **options)
    started, at = time.perf_counter(), datetime.now(tz=UTC)
    try:
        return call(*args, **options)
    finally:
        took = (time.perf_counter() - started) * 1000
        found.append(Reading("Redis", _node(client, statements), tuple(statements), at, took))


def _node(client: Any, statements: Sequence[tuple[Any, ...]]) -> str:
    if isinstance(client, RedisCluster):
        nodes = client.get_primaries()  # type: ignore[no-untyped-call]
        return ", ".join(f"{node.host}:{node.port}" for node in nodes)
    known = client.connection_pool.connection_kwargs
    where = known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}"
    return f"{where}/{known.get('db', 0)}"


def _record_sql(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    found = _open.get()
    if found is None:
        return execute(sql, params, many, context)
    started, at = time.perf_counter(), datetime.now(tz=UTC)
    try:
        return execute(sql, params, many, context)
    finally:
        took = (time.perf_counter() - started) * 1000
        known = context["connection"].settings_dict
        node = f"{known['HOST'] or 'local socket'}:{known['PORT'] or 5432}/{known['NAME']}"
        found.append(Reading("PostgreSQL", node, ((sql, params),), at, took))

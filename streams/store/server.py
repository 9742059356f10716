"""How every call to Redis is sent, and what its errors are called. Knows no command's meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis.exceptions import ClusterDownError, NoScriptError, RedisClusterException

from streams.lua import Script

# redis.Redis or redis.cluster.RedisCluster, answering bytes: redis-py gives them no common type, and types commands
# as if one client could answer text and bytes at once.
Client = Any


class StoreError(Exception):
    """Something that Redis would not do; the message says what and why."""


class StoreUnavailable(StoreError):
    """Redis does not answer."""


class OutOfMemory(StoreError):
    """Redis is at its maxmemory and takes no writes. It still trims."""


class StreamError(StoreError):
    """What Redis would not do with one stream."""

    def __init__(self, stream: str, message: str) -> None:
        super().__init__(message)
        self.stream = stream


class WrongType(StreamError):
    """The key exists and is no stream."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream, f"{stream} is no stream: the key holds another type, and can't be bounded by a limit.")


def run(client: Client, code: Script, *, keys: Sequence[Any], args: Iterable[Any]) -> Any:
    words, instead = code.calls(keys, args)
    try:
        return client.execute_command(*words)
    except NoScriptError:
        return client.execute_command(*instead)


@contextmanager
def translated(stream: str | None = None) -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, RedisClusterException) as error:
        raise translate(error, stream) from error


def translate(error: Exception, stream: str | None) -> StoreError:
    # Looked for anywhere in the message: before Redis 7, an error inside a script is wrapped in another.
    said = str(error)
    if not isinstance(error, redis.ResponseError) or isinstance(error, ClusterDownError):
        return StoreUnavailable(f"Redis does not answer: {said}")
    if "'maxmemory'" in said:
        return OutOfMemory("Redis is at its maxmemory and takes no writes.")
    if stream is None:
        return StoreError(f"Redis refused: {said}")
    return WrongType(stream) if "WRONGTYPE" in said else StreamError(stream, f"Redis refused {stream}: {said}")

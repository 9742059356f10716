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


class Unanswered(Exception):
    """In the place of an answer of a cluster's node that gave none; leaves the store as NodeAway.

    `node`: host:port; empty where no node has the key. `sent`: the call may have been carried out all the same.
    """

    def __init__(self, cause: Exception, *, node: str, sent: bool) -> None:
        super().__init__(str(cause))
        self.node, self.sent = node, sent


class NodeAway(StreamError):
    """The node of a cluster that has this stream does not answer, and others may. `node`: see Unanswered."""

    def __init__(self, stream: str, message: str, *, node: str) -> None:
        super().__init__(stream, message)
        self.node = node


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
    if isinstance(error, Unanswered) and stream is not None:
        return NodeAway(stream, f"{error.node or 'Its node'} does not answer: {said}", node=error.node)
    if not isinstance(error, redis.ResponseError) or isinstance(error, ClusterDownError):
        return StoreUnavailable(f"Redis does not answer: {said}")
    if "'maxmemory'" in said:
        return OutOfMemory("Redis is at its maxmemory and takes no writes.")
    if stream is None:
        return StoreError(f"Redis refused: {said}")
    return WrongType(stream) if "WRONGTYPE" in said else StreamError(stream, f"Redis refused {stream}: {said}")


def error_of_one(error: Exception, stream: str) -> StreamError:
    """Of an answer about one stream. Raises StoreError where it concerns more than that."""
    found = translate(error, stream)
    if isinstance(found, StreamError):
        return found
    raise found from error

"""How the library talks to the server beside the service's own connections: apart from them, and without patience."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import redis
import redis.asyncio
from redis.cluster import RedisCluster
from redis.exceptions import RedisClusterException

ERRORS = (redis.RedisError, RedisClusterException, OSError)

# Limits are read this often whether anything was heard or not: a subscription's connection can hang without any error,
# and a raw HSET says nothing. A tenth more or less, so that a fleet does not ask in step. Where all connections hang an
# edit is obeyed after both of these, which is to stay under three seconds.
RELOAD_SECONDS = 1.5
ANSWER_SECONDS = 1.0
STOPS_WITHIN_SECONDS = 0.25
# An edit is heard by the whole fleet at once, and each reads the limits at once: what else there is to say, on two more
# round trips, waits so long at most, or it would be in the way of those that have not read them yet.
TELLS_WITHIN_SECONDS = 0.1

_ADDRESS = {"host", "port", "path", "db", "username", "password", "credential_provider"}


def is_async(client: object) -> bool:
    return isinstance(client, redis.asyncio.Redis | redis.asyncio.RedisCluster)


def is_sync(client: object) -> bool:
    return isinstance(client, redis.Redis | RedisCluster)


def unwrapped(given: Any, *, kinds: Sequence[Callable[[object], bool]]) -> Any:
    """`given`, or what it has as `.client`, whichever is a client of these kinds. Raises TypeError."""
    if any(kind(given) for kind in kinds):
        return given
    inner = getattr(given, "client", None)  # of a redis.Redis that is a method
    if any(kind(inner) for kind in kinds):
        return inner
    wanted = " or ".join("redis.asyncio" if kind is is_async else "redis.Redis" for kind in kinds)
    raise TypeError(
        f"{given!r} is no {wanted} client, and has none as .client: is it connected yet, and of the right kind?"
    )


def reload_after() -> float:
    return RELOAD_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311  # spreads readings, hides nothing


def tell_after() -> float:
    return TELLS_WITHIN_SECONDS * random.uniform(0.2, 1)  # noqa: S311  # spreads readings, hides nothing


def own_connection(of: Mapping[str, Any]) -> dict[str, Any]:
    """The address, credentials and TLS options out of a pool's connection_kwargs; all else is this library's choice."""
    same = {name: value for name, value in of.items() if name in _ADDRESS or name.startswith("ssl_")}
    return {
        **same,
        "protocol": 2,
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": ANSWER_SECONDS,
        "client_name": "tradeul_streams",
    }

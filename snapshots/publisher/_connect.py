"""Finds the client in what a service hands over, and makes one that answers bytes where that one answers text."""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio
from redis.cluster import RedisCluster

from snapshots.publisher.errors import StoreRefused

_ADDRESS = {"host", "port", "path", "db", "username", "password", "credential_provider", "protocol", "client_name"}
_PATIENCE = {"socket_timeout", "socket_connect_timeout", "socket_keepalive", "health_check_interval"}


def is_async(client: object) -> bool:
    return isinstance(client, redis.asyncio.Redis | redis.asyncio.RedisCluster)


def is_sync(client: object) -> bool:
    return isinstance(client, redis.Redis | RedisCluster)


def bytes_client(given: Any, *, asynchronous: bool) -> tuple[Any, bool]:
    """`given`, or what it has as `.client`, and whether a client of our own was made in its place.

    Documents are bytes: beside a client with decode_responses=True there is a second one of the same address. Raises
    TypeError for what is no client of this kind, and StoreRefused for a cluster's that decodes.
    """
    fits = is_async if asynchronous else is_sync
    client = given if fits(given) else getattr(given, "client", None)  # of a redis.Redis that is a method
    if not fits(client):
        wanted = "redis.asyncio" if asynchronous else "redis.Redis"
        raise TypeError(
            f"{given!r} is no {wanted} client, and has none as .client: is it connected yet, and of the right kind?"
        )
    assert client is not None
    if not client.get_encoder().decode_responses:
        return client, False
    if isinstance(client, RedisCluster | redis.asyncio.RedisCluster):
        raise StoreRefused("this cluster client was built with decode_responses=True, and documents are bytes.")
    pool = client.connection_pool
    options = pool.connection_kwargs
    same = {name: options[name] for name in options if name in _ADDRESS | _PATIENCE or name.startswith("ssl_")}
    return type(client)(connection_pool=type(pool)(connection_class=pool.connection_class, **same)), True

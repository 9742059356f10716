"""Builds the clients of the data Redis and of the broker. The only place that does, and it opens nothing itself."""

from __future__ import annotations

import functools
import threading
from typing import Any

import redis
from django.conf import settings
from django.core.signals import setting_changed
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from tradeul_ops.answering import AnsweringConnection, AnsweringSSLConnection
from tradeul_ops.readings import Watched, WatchedCluster

# RESP2: XREAD and XINFO answer in one shape on every server and client version. Set to 3, redis-py
# turns XREAD's list into a dict; left unset, it differs between its versions.
PROTOCOL = 2
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0


class LateCluster(WatchedCluster):
    """A cluster's client that connects at its first command, as a single server's does; the usual one in __init__.

    A page that is asked for while the cluster is away then meets that where it meets every other error of Redis.
    """

    def __init__(self, url: str, **kwargs: Any) -> None:
        self._late, self._making = (url, kwargs), threading.Lock()

    def __getattr__(self, name: str) -> Any:
        """Asked for what the usual __init__ makes: now is the time."""
        if name.startswith("__") or name in ("_late", "_making"):
            raise AttributeError(name)
        with self._making:
            if "nodes_manager" not in self.__dict__:
                url, kwargs = self._late
                try:
                    super().__init__(url=url, **kwargs)
                except RedisClusterException as error:  # this is no redis.RedisError
                    raise redis.ConnectionError(f"no node of the cluster answers: {error}") from error
        return object.__getattribute__(self, name)

    def __del__(self) -> None:
        if "nodes_manager" in self.__dict__:
            super().__del__()  # type: ignore[no-untyped-call]


def client(url: str, **options: Any) -> redis.Redis:
    """A client that answers bytes, gives up in seconds and never tries again: the next tick does that.

    Not even once, at once: of a call whose answer got lost nobody knows whether it was carried out, and a trim that is
    sent again hides what the first one took. A connection that a restart has closed is noticed before it is used.
    """
    kwargs: dict[str, Any] = {
        "protocol": PROTOCOL,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "client_name": "tradeul_ops",
        "retry": Retry(NoBackoff(), 0),
        "connection_class": AnsweringSSLConnection if url.startswith("rediss") else AnsweringConnection,
        **options,
    }
    scheme, _, rest = url.partition("://")
    if scheme.endswith("+cluster"):
        cluster: Any = LateCluster(f"{scheme.removesuffix('+cluster')}://{rest}", **kwargs)
        return cluster  # type: ignore[no-any-return]  # it answers the same commands; redis-py gives them no common type
    return Watched.from_url(url, **kwargs)


@functools.cache
def data_redis() -> redis.Redis:
    """The server whose memory is kept bounded: streams and snapshots."""
    return client(settings.REDIS_URL)


@functools.cache
def broker_redis() -> redis.Redis:
    """Celery's broker; apart from the data, so that tasks still arrive when the data server is out of memory."""
    return client(settings.CELERY_BROKER_URL)


def _forget(*, setting: str, **_: Any) -> None:
    if setting in {"REDIS_URL", "CELERY_BROKER_URL"}:
        data_redis.cache_clear()
        broker_redis.cache_clear()


setting_changed.connect(_forget)

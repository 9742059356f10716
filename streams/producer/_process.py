"""The process's one manager, as the integration guide has it: made at start-up, asked for anywhere."""

from __future__ import annotations

from typing import Any, overload

import redis
from redis.cluster import RedisCluster

from streams.producer._connect import is_async, is_sync, unwrapped
from streams.producer.aio import RedisStreamManager
from streams.producer.client import StreamProducer
from streams.producer.errors import NotInitialized

_manager: RedisStreamManager | StreamProducer | None = None


@overload
def initialize_stream_manager(redis_client: redis.Redis | RedisCluster, **options: Any) -> StreamProducer: ...
@overload
def initialize_stream_manager(redis_client: Any, **options: Any) -> RedisStreamManager: ...
def initialize_stream_manager(redis_client: Any, **options: Any) -> RedisStreamManager | StreamProducer:
    """Makes the process's manager, with RedisStreamManager's options; `await start()` on it comes next.

    A client of redis-py's synchronous kind gives the synchronous twin, a StreamProducer: the same names, no `await`.
    """
    global _manager
    client = unwrapped(redis_client, kinds=(is_async, is_sync))
    _manager = StreamProducer(client, **options) if is_sync(client) else RedisStreamManager(client, **options)
    return _manager


def get_stream_manager() -> Any:
    """The process's manager: of which kind, initialize_stream_manager decided. Before it, raises NotInitialized."""
    if _manager is None:
        raise NotInitialized(
            "RedisStreamManager not initialized: call initialize_stream_manager(...) and await start() first"
        )
    return _manager

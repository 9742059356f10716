"""Adds entries to Redis streams under the console's limits. For other services: needs redis-py, and no Django."""

from streams.producer._book import ProducerStats, StreamInfo
from streams.producer._process import get_stream_manager, initialize_stream_manager
from streams.producer.aio import RedisStreamManager
from streams.producer.client import StreamProducer
from streams.producer.errors import InvalidField, NotInitialized, NotStarted, ProducerError

__all__ = [
    "InvalidField",
    "NotInitialized",
    "NotStarted",
    "ProducerError",
    "ProducerStats",
    "RedisStreamManager",
    "StreamInfo",
    "StreamProducer",
    "get_stream_manager",
    "initialize_stream_manager",
]

"""What the pages and the metrics endpoint show of streams."""

from streams.engine.nameless import Nameless, NamelessFound
from streams.engine.producers import ProducerSeen
from streams.engine.state import GroupState
from streams.metrics.glance import WORST, Glance
from streams.metrics.guide import guide_metrics
from streams.metrics.listing import SORTS, StreamList, glance_at_all, list_streams
from streams.metrics.overview import StreamsOverview, streams_overview
from streams.metrics.summary import redis_memory, stream_row, stream_rows, streams_summary
from streams.metrics.unmanaged import Unmanaged, unmanaged_streams
from streams.metrics.values import LastTrim, StreamRow, StreamsSummary
from streams.store import RedisMemory

__all__ = [
    "SORTS",
    "WORST",
    "Glance",
    "GroupState",
    "LastTrim",
    "Nameless",
    "NamelessFound",
    "ProducerSeen",
    "RedisMemory",
    "StreamList",
    "StreamRow",
    "StreamsOverview",
    "StreamsSummary",
    "Unmanaged",
    "glance_at_all",
    "guide_metrics",
    "list_streams",
    "redis_memory",
    "stream_row",
    "stream_rows",
    "streams_overview",
    "streams_summary",
    "unmanaged_streams",
]

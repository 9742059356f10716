"""What the pages and the metrics endpoint show of streams."""

from streams.engine.producers import ProducerSeen
from streams.engine.state import GroupState
from streams.metrics.guide import guide_metrics
from streams.metrics.summary import stream_row, stream_rows, streams_summary
from streams.metrics.values import LastTrim, StreamRow, StreamsSummary
from streams.store import RedisMemory

__all__ = [
    "GroupState",
    "LastTrim",
    "ProducerSeen",
    "RedisMemory",
    "StreamRow",
    "StreamsSummary",
    "guide_metrics",
    "stream_row",
    "stream_rows",
    "streams_summary",
]

"""Reads and trims Redis streams, and publishes their limits. Decides nothing; see engine.plan.

Every call raises StoreError or a kind of it. Nothing here uses MULTI: at maxmemory a server refuses even an XTRIM in
there, and trimming is what must work then.
"""

from streams.store.abandoned import GroupShown, destroy_group, read_clock, read_idle
from streams.store.discovery import ScanCursor, read_known, scan_streams
from streams.store.entries import read_entries
from streams.store.groups import count_pending_gone, read_cut, read_group, read_oldest_pending
from streams.store.lengths import Length, read_lengths
from streams.store.memory import RedisMemory, read_memory
from streams.store.published import (
    Published,
    publish_limits,
    read_producers,
    read_published,
    read_version,
    sweep_producers,
)
from streams.store.rows import Move, begin_trims, move_due, read_trims, record_trims, set_holders
from streams.store.samples import (
    delete_finest_samples,
    delete_samples,
    read_bytes_of_all,
    read_last_tick,
    read_newest_samples,
    read_recent_samples,
    read_samples_near,
)
from streams.store.server import NodeAway, OutOfMemory, StoreError, StoreUnavailable, StreamError, WrongType
from streams.store.streams import read_bytes, read_states, trim

__all__ = [
    "GroupShown",
    "Length",
    "Move",
    "NodeAway",
    "OutOfMemory",
    "Published",
    "RedisMemory",
    "ScanCursor",
    "StoreError",
    "StoreUnavailable",
    "StreamError",
    "WrongType",
    "begin_trims",
    "count_pending_gone",
    "delete_finest_samples",
    "delete_samples",
    "destroy_group",
    "move_due",
    "publish_limits",
    "read_bytes",
    "read_bytes_of_all",
    "read_clock",
    "read_cut",
    "read_entries",
    "read_group",
    "read_idle",
    "read_known",
    "read_last_tick",
    "read_lengths",
    "read_memory",
    "read_newest_samples",
    "read_oldest_pending",
    "read_producers",
    "read_published",
    "read_recent_samples",
    "read_samples_near",
    "read_states",
    "read_trims",
    "read_version",
    "record_trims",
    "scan_streams",
    "set_holders",
    "sweep_producers",
    "trim",
]

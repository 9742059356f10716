"""Looks into one stream for its page: who reads in a group, and which entries there are. Changes nothing."""

from __future__ import annotations

from streams import store
from streams.engine.entries import EntryPage
from streams.engine.ids import EntryId
from streams.engine.state import GroupDetail
from tradeul_ops.connections import data_redis


def group_detail(stream: str, name: str, *, consumer: str | None = None) -> GroupDetail:
    """Raises StoreError, also where there is no such group."""
    return store.read_group(data_redis(), stream, name, consumer=consumer)


def entry_page(stream: str, *, before: EntryId | None = None, after: EntryId | None = None) -> EntryPage:
    """Raises StoreError."""
    return store.read_entries(data_redis(), stream, before=before, after=after)

"""Keeps what SnapshotManagers read equal to the rows. Changes no row."""

from __future__ import annotations

import logging

from redis import RedisError  # a cluster client connects when it is made, before any store sees it

from snapshots import store
from snapshots.engine.policies import to_wire
from snapshots.models import SnapshotPolicy, SourceKind
from tradeul_ops.connections import data_redis

ATTEMPTS = 5

logger = logging.getLogger(__name__)


def publish_policies() -> int | None:
    """Publishes what differs from the rows, however those were changed; returns the version in force.

    Raises StoreError.
    """
    client = data_redis()
    for _ in range(ATTEMPTS):
        # What is published is read before the rows: whoever publishes in between changes the version, and then this
        # one starts again instead of putting older rows back.
        published = store.read_policies(client)
        rows = SnapshotPolicy.objects.filter(enabled=True, source_kind=SourceKind.MANAGER)
        version = store.publish_policies(client, {row.name: to_wire(row.terms) for row in rows}, compared=published)
        if version is not None:
            return version
    return None  # so many others publish at this moment that the last of them has the same rows


def publish_or_warn() -> None:
    """For after a commit: the edit stands, and the task of the same name makes up for a Redis that is away."""
    try:
        publish_policies()
    except (store.StoreError, RedisError) as error:
        logger.warning("Policies are not published, managers keep those they have until a later attempt: %s", error)

"""Keeps what producers read equal to the rows. Changes no row."""

from __future__ import annotations

import logging

from redis import RedisError

from streams import store
from streams.engine.wire import to_wire
from streams.services.rules import load_rules
from tradeul_ops.connections import data_redis

ATTEMPTS = 5

logger = logging.getLogger(__name__)


def publish_limits() -> int | None:
    """Publishes what differs from the rows, however those were changed; returns the version in force.

    Also forgets producers that fell silent. Raises StoreError.
    """
    client = data_redis()
    for _ in range(ATTEMPTS):
        # What is published is read before the rows: whoever publishes in between changes the version, and then this
        # one starts again instead of putting older rows back.
        published = store.read_published(client)
        wanted = {key: to_wire(rule) for key, rule in load_rules().by_key.items()}
        version = store.publish_limits(client, wanted, compared=published)
        if version is not None:
            store.sweep_producers(client)
            return version
    return None  # so many others publish at this moment that the last of them has the same rows


def version_in_force() -> int | None:
    """Of the limits that are published. None: none ever were, or Redis does not say."""
    try:
        return store.read_version(data_redis())
    except (store.StoreError, RedisError):
        return None


def publish_or_warn() -> None:
    """For after a commit: the edit stands, and the task of the same name makes up for a Redis that is away."""
    try:
        publish_limits()
    except (store.StoreError, RedisError) as error:  # a cluster client connects when it is made, before any store
        logger.warning("Limits are not published, producers keep those they have until a later attempt: %s", error)

"""Lets the worker and beat say that they live, through the broker that both need anyway. Judges nothing."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Any, Literal

import redis
from celery.beat import PersistentScheduler

from tradeul_ops.connections import broker_redis

Role = Literal["worker", "beat"]
KEY = "tradeul:alive:{role}"
KEPT_SECONDS = 3600  # long enough to say "last seen at", and gone by itself afterwards
STAMP_SECONDS = 2.0
QUEUE = "celery"  # Celery's default, and the only one
LONGEST_QUEUE = 100  # two minutes of everything that beat sends

logger = logging.getLogger(__name__)


def stamp(role: Role) -> None:
    try:
        broker_redis().set(KEY.format(role=role), repr(time.time()), ex=KEPT_SECONDS)
    except redis.RedisError as error:
        logger.warning("%s could not say that it lives: %s", role, error)


def last_seen(role: Role) -> datetime | None:
    """When `role` last said that it lives; None if not within the hour, or not in words. Raises redis.RedisError."""
    value: Any = broker_redis().get(KEY.format(role=role))
    try:
        return datetime.fromtimestamp(float(value), tz=UTC) if value else None
    except (ValueError, OverflowError, OSError):
        return None


class StampingScheduler(PersistentScheduler):  # type: ignore[misc]  # celery has no types
    """Celery's own scheduler, which also says that beat lives, and sends nothing more while no worker takes anything.

    Messages expire only in a worker's hands: without one the broker would fill up, some 36 MB a day.
    """

    _stamped_at = 0.0
    _holding = False

    def tick(self, *args: Any, **kwargs: Any) -> float:
        now = time.monotonic()
        if now - self._stamped_at >= STAMP_SECONDS:
            self._stamped_at = now
            stamp("beat")
            self._mind_the_clock()
        return float(super().tick(*args, **kwargs))

    def _mind_the_clock(self) -> None:
        """After the clock was put back, what ran “in the future” would not be sent again until then."""
        early = [entry for entry in self.schedule.values() if entry.last_run_at > entry.default_now()]
        for entry in early:
            entry.last_run_at = entry.default_now()
        if early:
            logger.warning("The clock was put back: %d tasks are timed anew.", len(early))
            self.populate_heap()

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        waiting = self._waiting()
        if waiting >= LONGEST_QUEUE:
            if not self._holding:
                logger.warning("%s tasks wait and no worker takes them: nothing more is sent until one does.", waiting)
            self._holding = True
            return
        self._holding = False
        super().apply_entry(entry, producer=producer)

    def _waiting(self) -> int:
        try:
            return int(broker_redis().llen(QUEUE))
        except redis.RedisError:
            return 0  # sending will say what is wrong

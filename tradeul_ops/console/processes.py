"""Whether the worker and beat live, as a value for a page. Starts and stops neither."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tradeul_ops import liveness

LATE_AFTER = timedelta(seconds=15)  # they say that they live every 2 s; a busy machine may skip some


@dataclass(frozen=True)
class Process:
    role: str
    last_seen: datetime | None  # None: not within the hour
    condition: str


@dataclass(frozen=True)
class Processes:
    worker: Process
    beat: Process
    read_at: datetime

    @property
    def late(self) -> tuple[Process, ...]:
        return tuple(process for process in (self.worker, self.beat) if process.condition != "within")


def processes_summary(*, now: datetime) -> Processes:
    """Raises redis.RedisError when the broker does not answer: then nothing is known of either."""
    return Processes(_process("worker", now), _process("beat", now), now)


def _process(role: liveness.Role, now: datetime) -> Process:
    seen = liveness.last_seen(role)  # in the future, if the clock was put back since: then it has not spoken since
    return Process(role, seen, "over" if seen is None or abs(now - seen) > LATE_AFTER else "within")

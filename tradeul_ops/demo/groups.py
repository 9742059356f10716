"""A consumer of one stream: reads, acknowledges, and makes its group where there is none. Looks into no entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import redis


@dataclass
class Consumer:
    """Takes up to `batch` entries every `period` seconds; with a small batch and a long period it falls behind."""

    client: redis.Redis
    stream: str
    group: str
    batch: int
    period: float = 0.0
    _next_at: float = field(default=0.0, init=False)
    # What an earlier process of this name took and never acknowledged comes first: it would hold the stream for ever.
    _cursor: str = field(default="0", init=False)

    def work(self, now: float) -> int:
        """How many entries it took and acknowledged. Raises redis.RedisError."""
        if now < self._next_at:
            return 0
        self._next_at = now + self.period
        try:
            reply: Any = self.client.xreadgroup(
                self.group, f"{self.group}-1", {self.stream: self._cursor}, count=self.batch
            )
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self._create()
            return 0
        ids = [entry_id for _, entries in reply or () for entry_id, _ in entries]
        if ids:
            self.client.xack(self.stream, self.group, *ids)
        else:
            self._cursor = ">"
        return len(ids)

    def _create(self) -> None:
        """At the stream's beginning. Redis 7 is told how many entries went before it, and so knows the group's lag."""
        try:
            info: Any = self.client.xinfo_stream(self.stream)
        except redis.ResponseError:  # no such key: MKSTREAM makes it
            info = {}
        gone = int(info["entries-added"]) - int(info["length"]) if "entries-added" in info else 0
        for options in ({"entries_read": gone}, {}):
            try:
                self.client.xgroup_create(self.stream, self.group, id="0", mkstream=True, **options)
            except redis.ResponseError as error:
                if str(error).startswith("BUSYGROUP"):  # another process was faster
                    return
                if isinstance(error, redis.OutOfMemoryError) or not options:
                    raise
                continue  # Redis 6.2 has no ENTRIESREAD
            return

"""What the pages and the metrics endpoint show of streams, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext

from streams.engine.abandoned import AbandonedGroup
from streams.engine.nameless import NamelessFound
from streams.engine.producers import ProducerSeen, producers_sentence
from streams.engine.state import GroupState
from streams.services.trends import UNSEEN, Course
from streams.store import RedisMemory


@dataclass(frozen=True)
class LastTrim:
    at: datetime
    trimmed: int
    forced: int
    detail: str
    failed: bool


@dataclass(frozen=True)
class StreamRow:
    """One stream with the limit that holds for it. None is unknown; of `maxlen`, `max_age`, `max_bytes` no such bound.

    `ceiling_bytes`: what the stream takes once it is at its ceiling, if entries stay as large as they are.
    `maxlen` is in entries also where `max_bytes` gives it: then `arithmetic` says how. `own` is the pattern whose
    limit holds, and `limit_id` its row, `is_own` where that is for this stream alone.
    """

    stream_id: int
    stream: str
    limit_id: int
    own: str
    is_own: bool
    enabled: bool
    exists: bool | None
    length: int | None
    maxlen: int | None
    trim_threshold: int | None
    trim_interval: timedelta
    max_age: timedelta | None
    max_bytes: int | None
    hard_maxlen: int | None
    protect_groups: bool
    approximate: bool
    usage_ratio: float | None
    bytes: int | None
    oldest_age: timedelta | None
    entries_added: int | None
    groups: tuple[GroupState, ...]
    held_by: str | None
    condition: str
    why: str
    arithmetic: str | None
    ceiling_bytes: int | None
    last_trim: LastTrim | None
    course: Course = UNSEEN

    @property
    def abandoned(self) -> tuple[AbandonedGroup, ...]:
        return self.course.abandoned


@dataclass(frozen=True, kw_only=True)
class Producers:
    """Who says that it is alive, and `version`, the revision of the published limits; neither is known with an error.

    In a cluster they may be on a node that is away while streams are on others.
    """

    producers: tuple[ProducerSeen, ...]
    version: int | None
    producers_error: str = ""

    @property
    def producing(self) -> str:
        """“12 of 13 producers hold v87. polygon_ws on h3 holds v85.” Empty without producers."""
        if self.producers_error:
            return gettext("Producers are not known. {error}").format(error=self.producers_error)
        return producers_sentence(self.producers, version=self.version)


@dataclass(frozen=True, kw_only=True)
class StreamsSummary(Producers):
    """`trimmed_*`: since install, bytes as the server estimated them.

    `unmanaged`: streams that were found on the server, and that no limit is for. `nameless`: those whose key no limit
    can name.
    """

    memory: RedisMemory
    rows: tuple[StreamRow, ...]
    unmanaged: tuple[str, ...]
    nameless: NamelessFound
    trimmed_entries: int
    trimmed_bytes: int
    read_at: datetime

"""Remembers in the broker since when each finding stands, and how many there are. Judges none; see sentence.

One hash, at most MOST fields, which expires when nobody notes anything for a day. Beat notes every 15 s, and so does
every page that judged anyway.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from tradeul_ops.connections import broker_redis
from tradeul_ops.console.sentence import Finding

KEY = "tradeul:findings:since"
NOTED = ""  # the field that says when it was noted last, and how many findings there were; no finding has this key
MOST = 500  # findings: the worst; those beyond have no first time
KEPT_SECONDS = 24 * 3600
OLD_AFTER = timedelta(seconds=60)
READ_EVERY, TRY_AGAIN_EVERY = 5.0, 30.0  # seconds, of the number beside Findings


@dataclass(frozen=True)
class Noted:
    """The number for every page. None: nobody has looked for a minute, or the broker does not answer."""

    count: int | None


def note(findings: Sequence[Finding], *, unread: Collection[str], now: datetime) -> dict[str, datetime]:
    """Since when each finding stands, by its key; those that are gone are forgotten.

    Not those of a source in `unread`: nobody knows whether they are gone. Raises redis.RedisError.
    """
    client = broker_redis()
    said: Any = client.hgetall(KEY)
    known = {name.decode("utf-8", "surrogateescape"): _moment(at) for name, at in said.items() if name}
    wanted = [finding.key for finding in findings[:MOST]]
    gone = [key for key in known.keys() - set(wanted) if key.partition("/")[0] not in unread]
    new = [key for key in dict.fromkeys(wanted) if key not in known][: max(0, MOST - len(known) + len(gone))]
    pipe = client.pipeline()
    for key in new:
        pipe.hsetnx(KEY, _encoded(key), repr(now.timestamp()))  # whoever saw it first has said it
    if gone:
        pipe.hdel(KEY, *(_encoded(key) for key in gone))
    pipe.hset(KEY, NOTED, f"{now.timestamp()!r} {len(findings)}")
    pipe.expire(KEY, KEPT_SECONDS)
    pipe.execute()
    times = {key: at for key in wanted if (at := known.get(key)) is not None}
    return times | dict.fromkeys(new, now)


def read_noted(*, now: datetime) -> Noted:
    """Raises redis.RedisError."""
    said: Any = broker_redis().hget(KEY, NOTED)
    if said is None:
        return Noted(None)
    at, _, count = said.partition(b" ")
    noted_at = _moment(at)
    if noted_at is None or now - noted_at > OLD_AFTER or not count.isdigit():
        return Noted(None)
    return Noted(int(count[:9]))


class Remembered:
    """The number as this process read it last: a page costs a round trip every few seconds, not one each."""

    def __init__(self) -> None:
        self._noted, self._again_at, self._guard = Noted(None), 0.0, threading.Lock()

    def forget(self) -> None:
        with self._guard:
            self._again_at = 0.0

    def noted(self, *, now: datetime) -> Noted:
        with self._guard:
            if time.monotonic() < self._again_at:
                return self._noted
            self._again_at = time.monotonic() + TRY_AGAIN_EVERY  # others don't ask meanwhile
        try:
            noted, wait = read_noted(now=now), READ_EVERY
        except redis.RedisError:
            noted, wait = Noted(None), TRY_AGAIN_EVERY
        with self._guard:
            self._noted, self._again_at = noted, time.monotonic() + wait
        return noted


remembered = Remembered()


def _moment(said: bytes) -> datetime | None:
    """None for what no version of this wrote."""
    try:
        return datetime.fromtimestamp(float(said), tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _encoded(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")

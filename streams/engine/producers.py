"""A producer's sign of life: the value and its wire form. Sends and sweeps none."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

PRODUCERS_KEY = "tradeul:streams:producers"  # a hash: producer id → wire form
FORGOTTEN_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerSeen:
    """`version`: revision of the limits it goes by, None before any was published. `seen_at`: the server's clock."""

    id: str
    name: str
    host: str
    pid: int
    version: int | None
    seen_at: datetime
    adds: int


def to_wire(seen: ProducerSeen) -> str:
    said = asdict(seen)
    del said["id"]
    return json.dumps({**said, "seen_at": seen.seen_at.timestamp()})


def from_wire(text: str | bytes, *, id: str) -> ProducerSeen | None:
    """None for what no version of the library writes: it is swept like one that fell silent."""
    try:
        said: Any = json.loads(text)
        return ProducerSeen(
            id=id,
            name=str(said["name"]),
            host=str(said["host"]),
            pid=int(said["pid"]),
            version=None if said["version"] is None else int(said["version"]),
            seen_at=datetime.fromtimestamp(float(said["seen_at"]), tz=UTC),
            adds=int(said["adds"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None

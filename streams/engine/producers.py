"""A producer's sign of life: the value and its wire form. Sends and sweeps none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

PRODUCERS_KEY = "tradeul:streams:producers"  # a hash: producer id → wire form
FORGOTTEN_AFTER = timedelta(seconds=60)
LATE_NAMED = 3


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


def producers_sentence(seen: Sequence[ProducerSeen], *, version: int | None) -> str:
    """“12 of 13 producers hold v87. polygon_ws on h3 holds v85.” Empty without producers."""
    if not seen:
        return ""
    late = [one for one in seen if one.version != version]
    if not late:
        return f"All {len(seen)} producers hold v{version}." if len(seen) > 1 else f"The producer holds v{version}."
    named = [f"{one.name} on {one.host} holds {_version(one.version)}" for one in late[:LATE_NAMED]]
    more = f", and {len(late) - LATE_NAMED} more are late" if len(late) > LATE_NAMED else ""
    held = f"{len(seen) - len(late)} of {len(seen)} producers hold {_version(version)}"
    return f"{held}. {', '.join(named)}{more}."


def _version(number: int | None) -> str:
    return "no version" if number is None else f"v{number}"

"""Publishes limits to producers, and reads who of them is alive. Decides no limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from streams.engine.producers import FORGOTTEN_AFTER, PRODUCERS_KEY, ProducerSeen, from_wire
from streams.engine.wire import CHANNEL, LIMITS_KEY, VERSION_FIELD
from streams.lua import script
from streams.store.abandoned import read_clock
from streams.store.server import Client, run, translated

VERSION_DIGITS = 15  # what is longer, or no number, is not ours: the script counts from 1 again


@dataclass(frozen=True, slots=True)
class Published:
    """What producers go by: key of a rule → wire form. `version` None: nothing was ever published."""

    version: int | None
    limits: Mapping[str, bytes]


def read_published(client: Client) -> Published:
    with translated():
        said: dict[bytes, bytes] = client.hgetall(LIMITS_KEY)
    version = _version(said.pop(VERSION_FIELD.encode(), None))
    limits = {name.decode("utf-8", "surrogateescape"): text for name, text in said.items()}
    return Published(version, limits)


def read_version(client: Client) -> int | None:
    """The version alone: there may be thousands of limits."""
    with translated():
        return _version(client.hget(LIMITS_KEY, VERSION_FIELD))


def publish_limits(client: Client, wanted: Mapping[str, str], *, compared: Published) -> int | None:
    """Makes the published limits equal to `wanted`, given what `read_published` said, and tells producers.

    Returns the version in force; None where someone else published in between: read again, the rows first. At
    maxmemory raises OutOfMemory, and producers keep the limits that they have.
    """
    sets = [
        item for name, text in wanted.items() if compared.limits.get(name) != text.encode() for item in (name, text)
    ]
    gone = [name.encode("utf-8", "surrogateescape") for name in compared.limits.keys() - wanted.keys()]
    if not sets and not gone and compared.version is not None:
        return compared.version
    expected = "" if compared.version is None else compared.version
    with translated():
        answer: int | None = run(
            client,
            script("publish_limits"),
            keys=(LIMITS_KEY,),
            args=(VERSION_FIELD, expected, CHANNEL, len(sets) // 2, *sets, *gone),
        )
    return answer


def read_producers(client: Client) -> tuple[ProducerSeen, ...]:
    """Those seen within the last minute, by the server's own clock, in the order of their names."""
    return _producers(client)[0]


def sweep_producers(client: Client) -> int:
    """Removes those that fell silent; returns how many."""
    silent = _producers(client)[1]
    with translated():
        return int(client.hdel(PRODUCERS_KEY, *silent)) if silent else 0


def _producers(client: Client) -> tuple[tuple[ProducerSeen, ...], list[bytes]]:
    now_ms = read_clock(client, PRODUCERS_KEY)
    with translated():
        said: dict[bytes, bytes] = client.hgetall(PRODUCERS_KEY)
    oldest = datetime.fromtimestamp(now_ms / 1e3, tz=UTC) - FORGOTTEN_AFTER
    alive, silent = [], []
    for field, text in said.items():
        seen = from_wire(text, id=field.decode("utf-8", "backslashreplace"))
        if seen and seen.seen_at >= oldest:
            alive.append(seen)
        else:
            silent.append(field)
    return tuple(sorted(alive, key=lambda seen: (seen.name, seen.host, seen.pid, seen.id))), silent


def _version(said: bytes | None) -> int | None:
    return int(said) if said and said.isdigit() and len(said) <= VERSION_DIGITS else None

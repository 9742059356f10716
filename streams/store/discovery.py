"""Finds streams on the server. Reads none of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.engine.wire import KNOWN_KEY
from streams.store.server import Client, translated

KEYS_PER_CALL = 1000  # SCAN steps over about so many in one call: 0.2 ms of the server's time


@dataclass
class ScanCursor:
    """Where each node's scan goes on. Begins anew by itself after it came round."""

    nodes: dict[str, int] = field(default_factory=dict)


def scan_streams(client: Client, cursor: ScanCursor, *, keys: int) -> set[str]:
    """Names of the streams among the next `keys` keys of each node, or all there are where those are fewer."""
    found: set[str] = set()
    with translated():
        nodes = client.get_primaries() if hasattr(client, "get_primaries") else [None]
        for node in nodes:
            name, place = str(getattr(node, "name", "")), 0
            here = cursor.nodes.get(name, 0)
            while place < keys:
                words = ("SCAN", here, "COUNT", KEYS_PER_CALL, "TYPE", "stream")
                said = client.execute_command(*words, **({"target_nodes": node} if node else {}))
                place_there, names = said
                if isinstance(place_there, dict):  # so a cluster's client has it: node → cursor
                    (place_there,) = place_there.values()
                here = int(place_there)
                found.update(name_of(one) for one in names)
                place += KEYS_PER_CALL
                if here == 0:
                    break
            cursor.nodes[name] = here
    return found


def read_known(client: Client) -> set[str]:
    """Streams that producers said they add to; those that are no longer there are taken off that list."""
    with translated():
        names: list[bytes] = list(client.smembers(KNOWN_KEY))
        if not names:
            return set()
        pipe = client.pipeline(transaction=False)
        for one in names:
            pipe.exists(one)
        there = [bool(answer) for answer in pipe.execute()]
        gone = [one for one, is_there in zip(names, there, strict=True) if not is_there]
        if gone:
            client.srem(KNOWN_KEY, *gone)
    return {name_of(one) for one, is_there in zip(names, there, strict=True) if is_there}


def name_of(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")

"""Finds streams on the server. Reads none of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from redis import RedisError
from redis.exceptions import RedisClusterException

from streams.engine.wire import KNOWN_KEY
from streams.store.answers import answers
from streams.store.cluster import is_cluster
from streams.store.server import Client, translate, translated

KEYS_PER_CALL = 1000  # SCAN steps over about so many in one call: 0.2 ms of the server's time


@dataclass
class ScanCursor:
    """Where each node's scan goes on. Begins anew by itself after it came round. `away`: did not answer last time."""

    nodes: dict[str, int] = field(default_factory=dict)
    away: tuple[str, ...] = ()


def scan_streams(client: Client, cursor: ScanCursor, *, keys: int) -> set[str]:
    """Names of the streams among the next `keys` keys of each node, or all there are where those are fewer.

    Raises StoreUnavailable where no node answers.
    """
    found: set[str] = set()
    away: list[str] = []
    with translated():
        nodes: list[Any] = client.get_primaries() if is_cluster(client) else [None]
        for node in nodes:
            try:
                found |= _scan_node(client, node, cursor, keys=keys)
            except (RedisError, RedisClusterException):
                if len(away) + 1 == len(nodes):
                    raise
                away.append(str(node.name))
    cursor.away = tuple(away)
    return found


def _scan_node(client: Client, node: Any, cursor: ScanCursor, *, keys: int) -> set[str]:
    found: set[str] = set()
    name = str(getattr(node, "name", ""))
    for _ in range(0, keys, KEYS_PER_CALL):
        words = ("SCAN", cursor.nodes.get(name, 0), "COUNT", KEYS_PER_CALL, "TYPE", "stream")
        here, names = client.execute_command(*words, **({"target_nodes": node} if node else {}))
        if isinstance(here, dict):  # so a cluster's client has it: node → cursor
            (here,) = here.values()
        found.update(name_of(one) for one in names)
        cursor.nodes[name] = int(here)
        if not cursor.nodes[name]:
            break
    return found


def read_known(client: Client) -> set[str]:
    """Streams that producers said they add to; those that are no longer there are taken off that list.

    None where the node of a cluster that has the list is away, and without those whose own is.
    """
    try:
        names: list[bytes] = list(client.smembers(KNOWN_KEY))
    except (RedisError, RedisClusterException) as error:
        if is_cluster(client):
            return set()
        raise translate(error, None) from error
    with translated():
        there = dict(zip(names, answers(client, [[("EXISTS", one) for one in names]] if names else []), strict=True))
        if gone := [one for one, said in there.items() if said == 0]:
            client.srem(KNOWN_KEY, *gone)
    return {name_of(one) for one, said in there.items() if said == 1}


def name_of(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")

"""Reads how much memory the server has and uses. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streams.store.server import Client, translated


@dataclass(frozen=True, slots=True)
class RedisMemory:
    """`maxmemory_bytes` None: no ceiling. In a cluster, sums over its primaries. `version` with the server's name.

    `overhead_bytes`: what is used and is no data; None where the server does not say.
    """

    used_bytes: int
    peak_bytes: int
    rss_bytes: int | None
    maxmemory_bytes: int | None
    policy: str
    version: str
    evicts_whole_keys: bool
    overhead_bytes: int | None = None


def read_memory(client: Client) -> RedisMemory:
    with translated():
        infos = list(_infos(client))
    first = infos[0]
    name = first.get("server_name", "redis")
    version = first.get(f"{name}_version", first.get("redis_version", "?"))
    policy = str(first.get("maxmemory_policy", "noeviction"))
    rss = sum(info.get("used_memory_rss", 0) for info in infos)
    return RedisMemory(
        used_bytes=sum(info["used_memory"] for info in infos),
        peak_bytes=sum(info.get("used_memory_peak", 0) for info in infos),
        rss_bytes=rss or None,
        maxmemory_bytes=sum(info.get("maxmemory", 0) for info in infos) or None,
        policy=policy,
        version=f"{str(name).capitalize()} {version}",
        evicts_whole_keys=policy.startswith("allkeys-"),
        overhead_bytes=sum(info.get("used_memory_overhead", 0) for info in infos) or None,
    )


def _infos(client: Client) -> Iterator[dict[str, Any]]:
    # A cluster client asks one node only unless told otherwise.
    nodes = client.get_primaries() if hasattr(client, "get_primaries") else [None]
    for node in nodes:
        only = {"target_nodes": node} if node else {}
        yield {**client.info("server", **only), **client.info("memory", **only)}

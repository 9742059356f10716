"""Reads how much memory the server has and uses. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis import RedisError
from redis.exceptions import RedisClusterException

from streams.store.cluster import is_cluster
from streams.store.server import Client, StoreUnavailable, translated


@dataclass(frozen=True, slots=True)
class RedisMemory:
    """`maxmemory_bytes` None: no ceiling. In a cluster, sums over its primaries, without those `away`: host:port.

    `version` with the server's name.

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
    away: tuple[str, ...] = ()


def read_memory(client: Client) -> RedisMemory:
    """Raises StoreUnavailable where no node answers."""
    with translated():
        infos, away = _infos(client)
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
        away=tuple(away),
    )


def _infos(client: Client) -> tuple[list[dict[str, Any]], list[str]]:
    """Of each node that answers, and the names of the others."""
    if not is_cluster(client):
        return [_info(client)], []
    infos, away = [], []
    for node in client.get_primaries():
        try:
            infos.append(_info(client, target_nodes=node))  # else the client asks any one of them
        except (RedisError, RedisClusterException):
            away.append(str(node.name))
    if not infos:
        raise StoreUnavailable(f"Redis does not answer: no node of the cluster does ({', '.join(away)})")
    return infos, away


def _info(client: Client, **only: Any) -> dict[str, Any]:
    return {**client.info("server", **only), **client.info("memory", **only)}

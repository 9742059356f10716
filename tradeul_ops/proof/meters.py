"""Reads what servers and processes use: Redis's memory and CPU, a process tree's CPU and memory. Changes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import redis

HELD = ("Pss_Anon", "Pss_Shmem", "SwapPss")  # of smaps_rollup; shared memory by shares, as PostgreSQL's buffers are


@dataclass(frozen=True)
class RedisReading:
    """Bytes, and CPU seconds since its start: of the main thread, of all threads, and of children that saved."""

    used_memory: int
    rss: int
    main_seconds: float
    all_seconds: float
    child_seconds: float
    calls: Mapping[str, tuple[int, float]]  # command → how many, and seconds within

    def since(self, before: RedisReading) -> RedisReading:
        """Memory as it is now; CPU and calls since `before`."""
        calls = {
            name: (count - before.calls.get(name, (0, 0.0))[0], seconds - before.calls.get(name, (0, 0.0))[1])
            for name, (count, seconds) in self.calls.items()
        }
        return RedisReading(
            self.used_memory,
            self.rss,
            self.main_seconds - before.main_seconds,
            self.all_seconds - before.all_seconds,
            self.child_seconds - before.child_seconds,
            calls,
        )

    def costliest(self, count: int) -> list[tuple[str, int, float]]:
        """Commands by the time within them: name, calls, seconds."""
        known = ((name, calls, seconds) for name, (calls, seconds) in self.calls.items() if calls)
        return sorted(known, key=lambda call: -call[2])[:count]


def read_redis(client: redis.Redis) -> RedisReading:
    """Raises redis.RedisError."""
    memory: Any = client.info("memory")
    cpu: Any = client.info("cpu")
    stats: Any = client.info("commandstats")
    every = float(cpu["used_cpu_sys"]) + float(cpu["used_cpu_user"])
    main = float(cpu.get("used_cpu_sys_main_thread", 0)) + float(cpu.get("used_cpu_user_main_thread", 0))
    return RedisReading(
        used_memory=int(memory["used_memory"]),
        rss=int(memory["used_memory_rss"]),
        main_seconds=main or every,  # Redis 6.0 tells them apart, an older one does not
        all_seconds=every,
        child_seconds=float(cpu["used_cpu_sys_children"]) + float(cpu["used_cpu_user_children"]),
        calls={
            name.removeprefix("cmdstat_"): (int(of["calls"]), float(of["usec"]) / 1e6) for name, of in stats.items()
        },
    )


def cpu_seconds(pid: int) -> float:
    """Of a process and all that ever came from it, the ended ones included. Raises psutil.NoSuchProcess."""
    top = psutil.Process(pid)
    total = 0.0
    for process in (top, *top.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def memory_bytes(pid: int) -> int:
    """Of a process and its children: PSS, which counts what they share once; RSS where the system has no PSS."""
    top = psutil.Process(pid)
    total = 0
    for process in (top, *top.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            try:
                total += process.memory_full_info().pss
            except (AttributeError, psutil.AccessDenied):
                total += process.memory_info().rss
    return total


def held_bytes(pid: int) -> int:
    """The same without the pages of files, where the system tells them apart: what a process asked for and has.

    Programs and libraries are in memory once for all that run them, and a share of them is a process' own: it gets
    larger whenever one of the others ends, by some MB of a Python that several processes run. Raises as memory_bytes.
    """
    top = psutil.Process(pid)
    total = 0
    for process in (top, *top.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            try:
                lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]
            except (FileNotFoundError, PermissionError):
                return memory_bytes(pid)
            found = {name: int(kilobytes.split()[0]) for name, _, kilobytes in (line.partition(":") for line in lines)}
            total += 1024 * sum(found.get(name, 0) for name in HELD)
    return total

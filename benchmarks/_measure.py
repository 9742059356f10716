"""Rows of a benchmark's table, variants that take turns, and a process that notices stalls. Knows no Redis client."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from typing import Any


@dataclass
class Row:
    what: str
    baseline: str
    ours: str
    ratio: float | None = None
    goal: str = ""
    met: bool = True

    def __str__(self) -> str:
        ratio = "" if self.ratio is None else f"{self.ratio:.3f}"
        goal = self.goal if self.met else f"{self.goal}: **missed**"
        return f"| {self.what} | {self.baseline} | {self.ours} | {ratio} | {goal} |"


def versus(what: str, baseline: list[float], ours: list[float], *, goal: float, unit: str = "µs") -> Row:
    ratio = median(mine / base for mine, base in zip(ours, baseline, strict=True))
    scale = {"µs": 1e6, "ms": 1e3}[unit]
    texts = [f"{median(times) * scale:.1f} {unit}" for times in (baseline, ours)]
    return Row(what, *texts, ratio, f"≤ {goal:.2f}", round(ratio, 3) <= goal)


def spent(client: Any, work: Callable[[], Any]) -> float:
    """Seconds of CPU of this process and of the Redis server: other processes can't spoil them as they do a clock's."""

    def so_far() -> float:
        server = client.info("cpu")
        return time.process_time() + float(server["used_cpu_user"]) + float(server["used_cpu_sys"])

    began = so_far()
    work()
    return so_far() - began


def timed(work: Callable[[], Any], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - began) / count


def in_turn(*variants: Callable[[], float], rounds: int) -> list[list[float]]:
    """Each variant's figures; who comes first changes, and the first two rounds are for warming up."""
    figures: list[list[float]] = [[] for _ in variants]
    for number in range(rounds + 2):
        for index in random.sample(range(len(variants)), len(variants)):
            figure = variants[index]()
            if number >= 2:
                figures[index].append(figure)
    return figures


class Pinger:
    """A process that PINGs without end. Ask it for the longest answer, in ms, of a time between two `monotonic()`s."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def longest(self, began: float, ended: float) -> float:
        self._pipe.send((began, ended))
        return float(self._pipe.recv())


@contextmanager
def pinging(host: str, port: int) -> Iterator[Pinger]:
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_ping, args=(host, port, there), daemon=True)
    process.start()
    here.recv()  # it runs
    yield Pinger(here)
    here.send(None)
    process.join()


def _ping(host: str, port: int, pipe: Connection) -> None:
    answers: list[tuple[float, float]] = []
    with socket.create_connection((host, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pipe.send(True)
        while True:
            if pipe.poll():
                if (asked := pipe.recv()) is None:
                    return
                began, ended = asked
                pipe.send(max((took for at, took in answers if began <= at + took and at <= ended), default=0.0) * 1000)
                answers.clear()
            sent = time.monotonic()
            connection.sendall(b"PING\r\n")
            connection.recv(16)
            answers.append((sent, time.monotonic() - sent))
            time.sleep(0.0001)  # a core for the others

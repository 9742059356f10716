"""What the worker's threads freed leaves the process with its next sign of life; and they share one arena."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tradeul_ops.memory import _glibc

pytestmark = pytest.mark.skipif(_glibc() is None, reason="no glibc, whose arenas keep what is freed")

# Blocks too small to be mapped by themselves, freed below one that stays: the arena can't shrink from its end.
FREED_MB = 40
GIVES_BACK = f"""
import threading
import psutil
from celery.signals import heartbeat_sent
import tradeul_ops.celery

kept = []
def work():
    blocks = [bytes([1]) * 60_000 for _ in range({FREED_MB} * 1_000_000 // 60_000)]
    kept.append(bytes([1]) * 60_000)
    del blocks

def resident():
    return psutil.Process().memory_info().rss

heartbeat_sent.send(sender=None)  # it imports what it needs
before = resident()
thread = threading.Thread(target=work)
thread.start()
thread.join()
grown = resident() - before
heartbeat_sent.send(sender=None)
print(grown, resident() - before)
"""
# How many of four threads' blocks lie in the process' one heap, which is the arena that all of them share.
SHARES = """
import sys, threading
from celery import signals
import tradeul_ops.celery

if sys.argv[1:]:
    getattr(signals, sys.argv[1]).send(sender=None)
blocks, all_there = [], threading.Barrier(4)
def work():
    all_there.wait()  # a thread that comes after another has ended takes its arena over
    blocks.extend(bytes([1]) * 60_000 for _ in range(100))
    all_there.wait()

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with open("/proc/self/maps") as maps:
    [heap] = [line.split()[0] for line in maps if line.rstrip().endswith("[heap]")]
start, end = (int(address, 16) for address in heap.split("-"))
print(sum(start <= id(block) < end for block in blocks), len(blocks))
"""


def said(program: str, redis_url: str, *words: str) -> tuple[int, int]:
    """In a process of its own: what other tests left in the arenas is no part of it."""
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        env={**os.environ, "CELERY_BROKER_URL": redis_url},
        capture_output=True,
        text=True,
        check=True,
    )
    one, other = map(int, done.stdout.split())
    return one, other


def test_a_heartbeat_gives_back_what_a_thread_freed(redis_url: str) -> None:
    grown, left = said(GIVES_BACK, redis_url)
    assert grown > FREED_MB * 500_000, "freed, and kept all the same"
    assert left < FREED_MB * 100_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells where the heap is")
@pytest.mark.parametrize("signal", ["worker_init", "beat_init"])
def test_threads_of_worker_and_beat_share_one_arena(redis_url: str, signal: str) -> None:
    assert said(SHARES, redis_url, signal) == (400, 400)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells where the heap is")
def test_without_being_told_each_thread_has_one_of_its_own(redis_url: str) -> None:
    """Else the test before would hold nothing."""
    in_the_heap, _ = said(SHARES, redis_url)
    assert in_the_heap < 100

"""What the worker's threads freed leaves the process with its next sign of life."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tradeul_ops.memory import _trim

# Blocks too small to be mapped by themselves, freed below one that stays: the arena can't shrink from its end.
FREED_MB = 40
PROGRAM = f"""
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


@pytest.mark.skipif(_trim is None, reason="no glibc, whose arenas keep what is freed")
def test_a_heartbeat_gives_back_what_a_thread_freed(redis_url: str) -> None:
    """In a process of its own: what other tests left in the arenas is no part of it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "CELERY_BROKER_URL": redis_url},
        capture_output=True,
        text=True,
        check=True,
    )
    grown, left = map(int, done.stdout.split())
    assert grown > FREED_MB * 500_000, "freed, and kept all the same"
    assert left < FREED_MB * 100_000

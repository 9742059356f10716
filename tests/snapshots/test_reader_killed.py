"""A reader is killed with SIGKILL again and again while the writer goes on; the next one ends as the source says."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import redis as redis_library

from snapshots.publisher import sync
from tests.snapshots import generators
from tests.snapshots.test_publisher import Clock

FOLLOW = """
import json, sys
import redis
from snapshots.publisher import SnapshotReader
reader = SnapshotReader(redis.Redis.from_url(sys.argv[1], protocol=2), "test")
for step in reader.follow(poll_seconds=0.01):
    print(json.dumps([step.sequence, step.problem, reader.state()]), flush=True)
"""


def test_a_reader_that_is_killed_at_random_ends_equal(
    redis: redis_library.Redis, redis_url: str, repository: Any
) -> None:
    chance, clock = random.Random(5), Clock()
    manager = sync.SnapshotManager(redis, name="test", clock=clock)
    records = generators.market(5, tickers=60)

    def save(seed: int) -> dict[str, Any]:
        nonlocal records
        clock.now += 5 if seed % 9 else 300
        records = generators.tick(records, seed)
        return manager.save_snapshot(records)

    save(1)
    for life in range(8):
        words = [sys.executable, "-c", FOLLOW, redis_url]
        with subprocess.Popen(words, cwd=repository, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout is not None
            for number in range(chance.randrange(4)):  # killed before its first state, too, and in the middle of a line
                reader.stdout.readline()
                save(100 * life + number + 2)
            if life < 7:
                reader.kill()
                continue
            saved = save(1_000)
            sequence, problem, state = 0, "", None
            while sequence != saved["sequence"]:
                sequence, problem, state = json.loads(reader.stdout.readline())
            reader.kill()
    assert (problem, state) == ("", records)

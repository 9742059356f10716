"""Many streams trimmed in lots, beside producers and consumers that go on: each entry reaches its group, or is told of.

`INTERLEAVINGS=500 pytest tests/streams/test_interleaving_sweep.py` tries more of them than the suite does.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from datetime import timedelta

import redis as redis_library
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import store
from streams.engine.limits import Limit
from streams.engine.plan import Trim, plan_trim
from streams.engine.state import StreamState
from streams.engine.trimming import Trimming
from tests.streams.factories import fill

Redis = redis_library.Redis
EXAMPLES = int(os.environ.get("INTERLEAVINGS", "6"))
STEPS = 60


def limit_of(stream: str, *, hard_maxlen: int, approximate: bool) -> Limit:
    return Limit(
        stream=stream,
        maxlen=100,
        trim_threshold=100,
        trim_interval=timedelta(seconds=30),
        hard_maxlen=hard_maxlen,
        approximate=approximate,
    )


class Service(threading.Thread):
    """Adds to all streams, and reads and acknowledges in their groups, in an order of its own, for so many steps."""

    def __init__(self, client: Redis, streams: list[str], *, added: int, seed: int) -> None:
        super().__init__()
        options = client.connection_pool.connection_kwargs
        self._client = Redis(host=options["host"], port=options["port"], protocol=2)
        self._random = random.Random(seed)
        self.added = dict.fromkeys(streams, added)
        self.got: dict[str, list[int]] = {stream: [] for stream in streams}

    def run(self) -> None:
        for _ in range(STEPS):
            stream = self._random.choice(list(self.added))
            self._random.choice((self._add, self.read))(stream, self._random.randint(1, 60))
        self._client.close()

    def _add(self, stream: str, count: int) -> None:
        fill(self._client, stream, range(self.added[stream] + 1, self.added[stream] + count + 1))
        self.added[stream] += count

    def read(self, stream: str, count: int) -> bool:
        answer = self._client.xreadgroup("group", "consumer", {stream: ">"}, count=count)
        ids = [id for id, _ in answer[0][1]] if answer else []
        self.got[stream] += [int(id.split(b"-")[0]) for id in ids]
        if ids:
            self._client.xack(stream, "group", *ids)
        return bool(ids)


def sweep(client: Redis, limits: dict[str, Limit], *, until: float) -> list[Trimming]:
    plans = [
        plan_trim(state, limit=limits[stream], due=True)
        for stream, state in store.read_states(client, list(limits)).items()
        if isinstance(state, StreamState)
    ]
    trimmings = [Trimming(plan) for plan in plans if isinstance(plan, Trim)]
    store.trim(client, trimmings, until=until)
    assert all(one.done and not one.unanswered for one in trimmings)
    return trimmings


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    count=st.integers(1, 40),
    entries=st.integers(0, 900),
    hard_maxlen=st.sampled_from([150, 100_000]),
    approximate=st.booleans(),
    seed=st.integers(0, 2**16),
    fault=st.sampled_from([None, Redis.script_flush]),
)
def test_no_entry_goes_untold_while_many_streams_are_trimmed_together(
    redis: Redis,
    count: int,
    entries: int,
    hard_maxlen: int,
    approximate: bool,
    seed: int,
    fault: Callable[[Redis], object] | None,
) -> None:
    streams = [f"test:sweep:{n}" for n in range(count)]
    redis.delete(*streams)
    for stream in streams:
        fill(redis, stream, entries)
        redis.xgroup_create(stream, "group", "0", mkstream=True)
    limits = {name: limit_of(name, hard_maxlen=hard_maxlen, approximate=approximate) for name in streams}
    service = Service(redis, streams, added=entries, seed=seed)
    service.start()
    lost = dict.fromkeys(streams, 0)
    going = True
    while going:
        going = service.is_alive()  # once more after it ended
        if fault:
            fault(redis)
        for trimming in sweep(redis, limits, until=float("inf")):
            for name, loss in trimming.losses.items():
                assert name == "group" and loss.undelivered is not None
                lost[trimming.trim.stream] += loss.undelivered
    service.join()
    for stream in streams:
        while service.read(stream, 1000):
            pass
        got = service.got[stream]
        assert got == sorted(set(got)), "each once, in order"
        assert len(got) + lost[stream] == service.added[stream], "what it was not given is told as lost"
        assert not lost[stream] or hard_maxlen == 150, "below the ceiling nothing is"
    sweep(redis, limits, until=float("inf"))
    lengths = {redis.xlen(stream) for stream in streams}
    # The entry that a group was given last may stay as its place.
    assert max(lengths) <= (199 if approximate else 101), "and what nobody needs goes"
    redis.delete(*streams)

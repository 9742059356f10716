"""At maxmemory a producer is refused, and so is publishing; trimming is what must work then, and works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_library

from streams import store
from streams.engine.plan import plan_trim
from streams.engine.trimming import Trimming
from streams.engine.wire import to_wire
from tests.streams.factories import fill, make_group, make_limit, rule_of
from tradeul_ops import connections
from tradeul_ops.demo.servers import ValkeyServer, free_port


@pytest.fixture
def full(tmp_path: Path) -> Iterator[redis_library.Redis]:
    """A server of its own, at three times what it may use: 20,000 entries of 1 KB."""
    server = ValkeyServer(tmp_path / "full", free_port(), options={"save": ""})
    server.start()
    client = connections.client(server.url)
    fill(client, "orders", 20_000, size=1024)
    client.config_set("maxmemory", "8mb")
    yield client
    client.close()
    server.stop()


@pytest.mark.parametrize("protect", [True, False])
def test_a_full_server_is_rescued(full: redis_library.Redis, protect: bool) -> None:
    """Says: that an edit is not published while Redis takes no writes.
    Recovers: at the trim: it needs no memory, and its script is sent again where the server forgot it.
    Keeps: what the limit lets stay.
    """
    limit = make_limit(protect_groups=protect, approximate=False)
    with pytest.raises(redis_library.exceptions.OutOfMemoryError):
        full.xadd("orders", {"data": b"x"}, maxlen=10)  # it would free memory, and is refused all the same
    with pytest.raises(store.OutOfMemory):
        store.publish_limits(full, {"orders": to_wire(rule_of(limit))}, compared=store.read_published(full))

    full.script_flush()  # as after a restart
    state = store.read_states(full, ["orders"])["orders"]
    trimming = Trimming(plan_trim(state, limit=limit, due=True))
    store.trim(full, [trimming], until=float("inf"))

    assert full.xlen("orders") == 1000
    full.xadd("orders", {"data": b"x"})
    assert store.publish_limits(full, {"orders": to_wire(rule_of(limit))}, compared=store.read_published(full)) == 1


def test_a_full_server_is_rescued_beneath_a_group_up_to_the_ceiling(full: redis_library.Redis) -> None:
    """Says: the loss of the group, on record.
    Recovers: at the next sweep (5 s).
    Keeps: what lies below the ceiling.
    """
    full.config_set("maxmemory", 0)
    make_group(full, "orders", "abandoned")
    full.config_set("maxmemory", "8mb")
    state = store.read_states(full, ["orders"])["orders"]
    trimming = Trimming(plan_trim(state, limit=make_limit(), due=True))
    store.trim(full, [trimming], until=float("inf"))
    assert trimming.forced > 0
    assert 3000 <= full.xlen("orders") <= 3099

"""A writer is killed with SIGKILL at every step of a write: readers have the state before it or after it, whole."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
import redis as redis_library

from snapshots.publisher import SnapshotReader, sync
from tests.snapshots import generators
from tests.snapshots.chains import exact
from tests.snapshots.test_publisher import Clock

FIRST = generators.market(3, tickers=40)
SECOND = generators.tick(FIRST, 4)
THIRD = {**generators.tick(SECOND, 5), "NEW": {"price": 1.5}}
LAST = generators.tick(SECOND, 6)

# How much of the command is sent; then whether the answer is read; then whether the state is adopted.
CUTS = ["nothing", "one byte", "half", "all but one byte", "all", "answered", "adopted"]
# What is written: seconds after the chain's last document, and the records.
WRITES = {
    "first full": None,
    "delta": (5, THIRD),
    "full that a delta leads over": (300, THIRD),
    "new epoch": (5, THIRD),
}


class Cut:
    """In the child: kills its own process in the middle of a connection's work."""

    def __init__(self, where: str) -> None:
        self.where = where

    def send(self, connection: Any, sock: Any, command: bytes) -> None:
        size = {"nothing": 0, "one byte": 1, "half": len(command) // 2, "all but one byte": len(command) - 1}
        sock.sendall(command[: size.get(self.where, len(command))])
        if self.where in size or self.where == "all":
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_while_it_writes(url: str, cut: Cut, manager: sync.SnapshotManager, records: Any) -> None:
    """Forks; the child saves `records` on a connection of its own and dies on the way."""
    child = os.fork()
    if child == 0:
        try:
            client = redis_library.Redis.from_url(url, protocol=2)
            client.ping()
            (connection,) = client.connection_pool._available_connections
            plain = connection.send_packed_command

            def send_packed_command(command: Any, check_health: bool = True) -> None:
                whole = b"".join([command] if isinstance(command, bytes) else list(command))
                if b"EVAL" in whole[:40]:
                    cut.send(connection, connection._sock, whole)
                else:
                    plain([whole], check_health=check_health)

            connection.send_packed_command = send_packed_command
            manager._client = client
            confirm = manager._author.confirm

            def confirmed(*arguments: Any) -> Any:
                if cut.where == "answered":
                    die()
                return confirm(*arguments)

            manager._author.confirm = confirmed
            manager.save_snapshot(records)
            if cut.where == "adopted":
                die()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, f"the child was not killed: {status}"


@pytest.mark.parametrize("where", CUTS)
@pytest.mark.parametrize("write", WRITES)
def test_a_killed_writer_leaves_a_whole_chain(
    redis: redis_library.Redis, redis_url: str, write: str, where: str
) -> None:
    """Says: the last whole snapshot and its age.
    Recovers: when the next writer starts: it publishes a full.
    Keeps: readers have the state before the write or after it, at whichever byte the writer died.
    """
    clock = Clock()

    def new_manager() -> sync.SnapshotManager:
        return sync.SnapshotManager(redis, name="test", writer="scanner", clock=clock)

    redis.script_load(sync._write.SCRIPT)
    manager, follower = new_manager(), SnapshotReader(redis, "test")
    before: Any = None
    after = FIRST
    if then := WRITES[write]:
        manager.save_snapshot(FIRST)
        follower.refresh()
        manager.save_snapshot(SECOND)
        before, (seconds, after) = SECOND, then
        clock.now += seconds
        if write == "new epoch":
            manager = new_manager()
    killed_while_it_writes(redis_url, Cut(where), manager, after)

    if before is None and not redis.exists("snapshot:{test}:head"):
        assert not redis.exists("snapshot:{test}:full", "snapshot:{test}:deltas")
    else:
        arrived = where in ("answered", "adopted")
        for reader in (follower, SnapshotReader(redis, "test")):
            reader.refresh()
            allowed = [after] if arrived else [before, after] if where == "all" else [before]
            assert exact(reader.state()) in [exact(records) for records in allowed]

    clock.now += 5  # the next process takes over
    saved = new_manager().save_snapshot(LAST)
    assert (saved["type"], saved["cause"] in ("restart", "first")) == ("full", True)
    follower.refresh()
    assert exact(follower.state()) == exact(SnapshotReader(redis, "test").state()) == exact(LAST)

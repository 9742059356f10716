"""Does a piece of work in a forked process that dies by SIGKILL before its n-th call to a server.

What a process does between two calls nobody else sees: to die before each call in turn, until the work comes to its
end, is to die at every step of it, whatever the code is called and however it is cut.
"""

from __future__ import annotations

import itertools
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from django.db import connections as databases
from redis.connection import AbstractConnection

from tradeul_ops import connections

MOST_STEPS = 400
HANDSHAKE = (b"HELLO", b"CLIENT", b"AUTH", b"SELECT")  # of a new connection; changes nothing on a server


def every_step(work: Callable[[], object], *, before: Callable[[], object]) -> Iterator[str]:
    """Before each attempt `before()`; yields what the dead process was about to send, once a step, and ends with it."""
    for number in range(1, MOST_STEPS):
        before()
        died = killed_before(number, work)
        if died is None:
            assert number > 1, "the work called no server"
            return
        yield f"step {number}, before {died}"
    raise AssertionError(f"still at work after {MOST_STEPS} calls")


def killed_before(number: int, work: Callable[[], object]) -> str | None:
    """What the child was about to send as its `number`-th call; None where `work` ended before."""
    databases.close_all()  # a session that is shared with the child would be ended by it
    connections.data_redis.cache_clear()
    connections.broker_redis.cache_clear()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _die_before(number, writing)
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001  nothing may get out of the child: the test would run twice
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        last = said.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
        return None
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, f"the child failed by itself: {status}"
    return last


def _die_before(number: int, report: int) -> None:
    calls = itertools.count(1)

    def count(what: str) -> None:
        if next(calls) == number:
            os.write(report, what.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    send, wait = AbstractConnection.send_packed_command, psycopg.Connection.wait

    def send_packed_command(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        words = command if isinstance(command, bytes) else b"".join(command)
        if not any(word in words[:24] for word in HANDSHAKE):
            count(words[:60].decode(errors="replace").replace("\r\n", " "))
        return send(self, command, *args, **kwargs)

    def wait_for(self: Any, generator: Any, *args: Any, **kwargs: Any) -> Any:
        count(_said(generator))
        return wait(self, generator, *args, **kwargs)

    AbstractConnection.send_packed_command = send_packed_command
    psycopg.Connection.wait = wait_for


def _said(generator: Any) -> str:
    """The statement, or whether it is a COMMIT."""
    query = (generator.gi_frame.f_locals if generator.gi_frame else {}).get("query")
    return str(query)[:60] if query else str(generator.__qualname__)

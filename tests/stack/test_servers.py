"""The embedded servers: they start, they stop, they end what a killed parent left, they say what is wrong."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tradeul_ops.demo.servers import HOST, PostgresServer, ServerError, ValkeyServer, free_port

pytestmark = pytest.mark.stack


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(tmp_path / "valkey", free_port())
    yield server
    server.stop()


def test_a_server_keeps_its_data_over_a_stop(valkey: ValkeyServer) -> None:
    import redis

    valkey.start()
    with redis.Redis.from_url(valkey.url) as client:
        client.set("test:kept", "1")
    valkey.stop()
    valkey.start()
    with redis.Redis.from_url(valkey.url) as client:
        assert client.get("test:kept") == b"1"


def test_a_port_in_use_is_said_and_nothing_is_started(valkey: ValkeyServer) -> None:
    with socket.socket() as other:
        other.bind((HOST, valkey.port))
        other.listen()
        with pytest.raises(ServerError, match=rf"port {valkey.port}, wanted for Valkey, is in use"):
            valkey.start()
    assert valkey.process is None


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path / "valkey", free_port(), options={"maxmemory-policy": "nonsense"})
    with pytest.raises(ServerError, match="did not start"):
        server.start()
    assert server.process is None


def test_what_a_killed_parent_left_is_ended_at_the_next_start(tmp_path: Path) -> None:
    """PostgreSQL outlives a kill -9 of its parent where the kernel does not tell it; the next start finds it."""
    directory, port = tmp_path / "postgres", free_port()
    code = (
        "import sys, time; from pathlib import Path; from tradeul_ops.demo.servers import PostgresServer;"
        f"s = PostgresServer(Path({str(directory)!r}), {port}); s.start(); print(s.process.pid, flush=True);"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        left = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    server = PostgresServer(directory, port)
    server.start()
    try:
        assert server.process is not None and server.process.pid != left
        assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE
    finally:
        server.stop()

"""`manage.py market` as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_library

from tradeul_ops.demo.feed import SNAPSHOT
from tradeul_ops.demo.servers import HOST, free_port


def start(repository: Path, *words: str, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "market", *words],
        cwd=repository,
        env={**os.environ, "SECRET_KEY": "x" * 60, "HTTPS": "false", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.stack
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_told_to_stop_also_without_postgresql(
    redis: redis_library.Redis, redis_url: str, repository: Path, wait_until: Callable[..., None], stop: signal.Signals
) -> None:
    """Ten ticks of half a second: a line every six, one warning about the server that is not there, and a clean end."""
    env = {"REDIS_URL": redis_url, "DATABASE_URL": f"postgres://nobody@{HOST}:{free_port()}/none"}
    process = start(repository, "--tickers", "200", "--speed", "10", env=env)
    try:
        wait_until(lambda: redis.hlen(SNAPSHOT) == 200, "the snapshot is there")
        wait_until(lambda: redis.xlen("stream:realtime:aggregates") > 600 * 7, "seven ticks were written")
    finally:
        process.send_signal(stop)
        said, _ = process.communicate(timeout=10)
    assert process.returncode == 0, said
    assert "INFO tradeul_ops.demo.feed: tick 6, normal: " in said
    assert sum("WARNING" in line and "PostgreSQL: " in line for line in said.splitlines()) == 1
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("--tickers", "20000"), "'20000' is not a whole number from 50 to 11,900"),
        (("--tickers", "many"), "'many' is not a whole number"),
        (("--speed", "0"), "'0' is not a number from 0.01 to 20"),
    ],
)
def test_it_says_what_it_can_not_do(words: tuple[str, ...], answer: str) -> None:
    from django.core.management import CommandError, call_command

    with pytest.raises(CommandError, match=answer):
        call_command("market", *words)

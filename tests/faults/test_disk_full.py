"""PostgreSQL's disk is really full: a file system of its own, small and filled up to its last page"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_library
from django.test import Client

from streams import tasks
from streams.models import TrimRun
from tests.faults.conftest import as_only_database, words
from tradeul_ops.demo.servers import PostgresServer, free_port

SIZE_MB = 200  # the whole schema and its log of changes take half of it


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system that is small")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0700", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"this machine mounts no small file system: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def postgres(
    disk: Path, redis: redis_library.Redis, django_db_setup: None, django_db_blocker: object
) -> Iterator[PostgresServer]:
    with as_only_database(PostgresServer(disk / "postgres", free_port()), django_db_blocker, redis) as own:
        yield own


def fill_up(disk: Path) -> Path:
    """A file that takes whatever is left, to the last page."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as full:
                assert full.strerror == "No space left on device"
    return ballast


def test_no_space_is_left_on_its_disk(
    postgres: PostgresServer, disk: Path, redis: redis_library.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Says: “PostgreSQL's disk is full”, with status 503, where a page has to write; pages that only read as ever.
    Recovers: at the next request and the next sweep after there is room.
    Keeps: what was trimmed meanwhile is on record then: the record waits in the worker.
    """
    ballast = fill_up(disk)
    answer = Client().post("/login/", {"username": "operator", "password": "wrong"})
    assert answer.status_code == 503 and "PostgreSQL's disk is full" in words(answer.content.decode())
    assert Client().get("/login/").status_code == 200
    with caplog.at_level(logging.WARNING):
        tasks.enforce_limits()
    assert "trim what is due: not this time." in caplog.text and "No space left on device" in caplog.text
    assert not TrimRun.objects.exists()
    ballast.unlink()
    assert Client().post("/login/", {"username": "operator", "password": "wrong"}).status_code == 200
    tasks.enforce_limits()
    trimmed = sum(TrimRun.objects.values_list("trimmed", flat=True))
    assert trimmed == 2000 - redis.xlen("orders") >= 900

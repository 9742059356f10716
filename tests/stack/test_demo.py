"""`manage.py demo` as a person runs it: it starts, tells where to look, and leaves no process behind."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from tradeul_ops.demo.servers import free_port

pytestmark = pytest.mark.stack
START = timedelta(seconds=60)


class Demo:
    """One running `manage.py demo`, with all it printed so far."""

    def __init__(self, repository: Path, directory: Path, *words: str, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", "--directory", str(directory), *words],
            cwd=repository,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as printed:
            for line in printed:
                self.lines.append(line)

    @property
    def text(self) -> str:
        return "".join(list(self.lines))

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def demo(repository: Path, tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Starts demos on one directory, with servers of their own on free ports."""
    started: list[Demo] = []
    ours = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")
    env = {name: value for name, value in os.environ.items() if name not in ours}

    def start(*words: str, **variables: str) -> Demo:
        started.append(Demo(repository, tmp_path / "demo", "--port", "0", *words, env={**env, **variables}))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        one.reader.join(10)


@contextmanager
def _all_gone_afterwards(demo: Demo) -> Iterator[list[psutil.Process]]:
    family = demo.family()
    yield family
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive, f"left behind: {[process.cmdline() for process in alive]}"


def _ready(demo: Demo) -> bool:
    assert demo.process.poll() is None, demo.text
    return "open http" in demo.text


def _named(family: list[psutil.Process], word: str) -> psutil.Process:
    return next(process for process in family if word in process.cmdline())


def test_it_starts_says_where_to_look_and_ends_with_ctrl_c(
    demo: Callable[..., Demo], wait_until: Callable[..., None]
) -> None:
    """Twice on one directory: the second start goes on with the data and the password of the first."""
    passwords = []
    for _ in range(2):
        one = demo()
        wait_until(lambda one=one: _ready(one), "the demo to be ready", within=START)
        told = re.search(r"open http://127\.0\.0\.1:\d+/ +user: operator +password: (\S+)", one.text)
        assert told
        passwords.append(told[1])
        with _all_gone_afterwards(one) as family:
            assert len(family) >= 7  # PostgreSQL, two Valkeys, web, worker, beat, market
            one.process.send_signal(signal.SIGINT)
            assert one.process.wait(30) == 0, one.text
        assert not re.search(r"ERROR|CRITICAL|Traceback", one.text), one.text
    assert passwords[0] == passwords[1]


def test_the_death_of_one_child_stops_all(demo: Callable[..., Demo], wait_until: Callable[..., None]) -> None:
    one = demo()
    wait_until(lambda: _ready(one), "the demo to be ready", within=START)
    with _all_gone_afterwards(one) as family:
        _named(family, "beat").kill()
        assert one.process.wait(40) == 1
    wait_until(lambda: "beat ended with exit code -9; the rest was stopped." in one.text, "the demo to say who died")


def test_a_killed_demo_takes_its_children_along(demo: Callable[..., Demo], wait_until: Callable[..., None]) -> None:
    """All but PostgreSQL as root: the kernel's message does not reach into its namespace; the next start ends it."""
    one = demo()
    wait_until(lambda: _ready(one), "the demo to be ready", within=START)
    family = [process for process in one.family() if "postgres" not in process.name()]
    one.process.kill()
    _, alive = psutil.wait_procs(family, timeout=25)
    assert not alive, f"left behind: {[process.cmdline() for process in alive]}"
    again = demo()
    wait_until(lambda: _ready(again), "a second start on what the killed one left", within=START)
    with _all_gone_afterwards(again):
        again.process.send_signal(signal.SIGTERM)
        assert again.process.wait(30) == 0, again.text


def test_a_second_demo_on_the_same_directory_is_refused(
    demo: Callable[..., Demo], wait_until: Callable[..., None]
) -> None:
    one = demo()
    wait_until(lambda: "PostgreSQL on" in one.text, "the first demo to start", within=START)
    other = demo()
    assert other.process.wait(20) == 1
    wait_until(lambda: "another demo runs on" in other.text, "the second to say why it does not start")
    with _all_gone_afterwards(one):
        one.process.send_signal(signal.SIGINT)
        one.process.wait(30)


@pytest.mark.parametrize(
    ("variable", "scheme"), [("DATABASE_URL", "postgres"), ("REDIS_URL", "redis"), ("CELERY_BROKER_URL", "redis")]
)
def test_a_server_of_ones_own_that_does_not_answer_is_named(
    demo: Callable[..., Demo], variable: str, scheme: str
) -> None:
    one = demo(**{variable: f"{scheme}://127.0.0.1:{free_port()}/0"})
    with _all_gone_afterwards(one):
        assert one.process.wait(30) == 1
    one.reader.join(10)
    last = one.text.strip().splitlines()[-1]
    assert last.startswith(f"CommandError: {variable}: ") and "refused" in last, one.text

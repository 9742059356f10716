"""Runs the whole platform as child processes of this one: servers, web, worker, beat, market. Checks nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tradeul_ops.demo.servers import (
    HOST,
    PostgresServer,
    ServerError,
    ValkeyServer,
    check_port,
    check_postgres,
    check_redis,
    die_with_parent,
    free_port,
)

ROOT = Path(__file__).resolve().parent.parent.parent
OPERATOR = "operator"
READY_SECONDS = 30.0
STOP_SECONDS = 15.0
POSTGRES_PORT, DATA_PORT, BROKER_PORT = 15432, 16379, 16380
DATA_MAXMEMORY = "512mb"  # a ceiling to measure against; noeviction, as streams want it

_CELERY = (sys.executable, "-m", "celery", "--quiet", "-A", "tradeul_ops")
WEB = (
    sys.executable,
    "-m",
    "gunicorn",
    "tradeul_ops.wsgi",
    "--no-control-socket",
    "--threads",
    "8",
    "--log-level",
    "warning",
)
BACKGROUND = {
    "worker": (*_CELERY, "worker", "--pool", "threads", "--concurrency", "4", "--loglevel", "WARNING"),
    "beat": (*_CELERY, "beat", "--loglevel", "WARNING", "--pidfile", ""),
    "market": (sys.executable, "manage.py", "market"),
}
COLOURS = {"web": 36, "worker": 32, "beat": 35, "market": 33, "demo": 1}
ERROR_LINE = re.compile(r"\b(ERROR|CRITICAL)\b|^Traceback \(most recent call last\)")
URL_VARIABLES = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")


@dataclass
class Child:
    """One process of ours and its log: printed with its name before each line, kept where a line says ERROR."""

    name: str
    process: subprocess.Popen[str]
    errors: list[str] = field(default_factory=list)

    def pump(self, say: Callable[[str, str], None]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            line = line.rstrip()
            if ERROR_LINE.search(line):
                self.errors.append(line)
            say(self.name, line)

    def stop(self) -> None:
        """SIGTERM to the process, and after a while SIGKILL to its whole group."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Stack:
    """`directory` keeps the servers' data, the passwords and `env`; a second start on it goes on from there.

    A `web_port` of 0 takes free ports for everything; `fresh` deletes what an earlier run left.
    """

    directory: Path
    web_port: int
    fresh: bool = False
    children: list[Child] = field(default_factory=list, init=False)
    environment: dict[str, str] = field(default_factory=dict, init=False)
    _servers: list[PostgresServer | ValkeyServer] = field(default_factory=list, init=False)
    _free_ports: bool = field(default=False, init=False)
    _printing: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.web_port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Stack]:
        """Everything up and answering; on leaving, whatever the reason, no process is left."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        with self.directory.with_name(f"{self.directory.name}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ServerError(f"another demo runs on {self.directory}; stop it first.") from error
            if self.fresh:
                shutil.rmtree(self.directory, ignore_errors=True)
            self.directory.mkdir(exist_ok=True)
            try:
                self._start()
                yield self
            finally:
                self._stop()

    def child(self, name: str) -> Child:
        return next(child for child in self.children if child.name == name)

    def dead_child(self) -> Child | None:
        return next((child for child in self.children if child.process.poll() is not None), None)

    def say(self, name: str, line: str) -> None:
        """On standard error: standard output is the report's."""
        colour = COLOURS.get(name, 0)
        mark = f"\x1b[{colour}m{name:>7}\x1b[0m" if sys.stderr.isatty() else f"{name:>7}"
        with self._printing:
            sys.stderr.write(f"{mark} │ {line}\n")
            sys.stderr.flush()

    # --- start -------------------------------------------------------------------------------------------------------
    def _start(self) -> None:
        self._free_ports = self.web_port == 0
        if self._free_ports:
            self.web_port = free_port()
        check_port(self.web_port, wanted_for="the web pages", change_with="manage.py demo --port NUMBER")
        self._start_servers()
        self.environment = {**os.environ, **self._settings()}
        with self._step("schema"):
            self._manage("migrate", "--verbosity", "0")
        with self._step(f"account “{OPERATOR}”"):
            self._make_operator()
        with self._step("web, worker, beat, market"):
            bind = f"{HOST}:{self.web_port}"
            self._spawn("web", *WEB, "--bind", bind)
            for name, command in BACKGROUND.items():
                self._spawn(name, *command)
            self._wait_for_web()

    def _start_servers(self) -> None:
        def port(default: int) -> int:
            return free_port() if self._free_ports else default

        if "DATABASE_URL" in os.environ:
            check_postgres("DATABASE_URL", os.environ["DATABASE_URL"])
        else:
            self._start_server(PostgresServer(self.directory / "postgres", port(POSTGRES_PORT)), "PostgreSQL")
        data_options = {"maxmemory": DATA_MAXMEMORY, "maxmemory-policy": "noeviction"}
        if "REDIS_URL" in os.environ:
            check_redis("REDIS_URL", os.environ["REDIS_URL"])
        else:
            server = ValkeyServer(self.directory / "redis-data", port(DATA_PORT), options=data_options)
            self._start_server(server, "Valkey for the data")
        if "CELERY_BROKER_URL" in os.environ:
            check_redis("CELERY_BROKER_URL", os.environ["CELERY_BROKER_URL"])
        else:
            server = ValkeyServer(self.directory / "redis-broker", port(BROKER_PORT))
            self._start_server(server, "Valkey for the tasks")

    def _start_server(self, server: PostgresServer | ValkeyServer, label: str) -> None:
        server.change_port_with = f"a server of your own in {' or '.join(URL_VARIABLES)}"
        with self._step(f"{label} on {HOST}:{server.port}"):
            self._servers.append(server)
            server.start()

    def _settings(self) -> dict[str, str]:
        """What the children's settings need; also written to `env`, for a shell that wants to look in."""
        settings = {
            "SECRET_KEY": self._kept_secret("secret-key", 50),
            "METRICS_TOKEN": self._kept_secret("metrics-token", 24),
            "HTTPS": "false",
            "BEAT_SCHEDULE_FILE": str(self.directory / "beat-schedule"),
            "PYTHONUNBUFFERED": "1",
        }
        for server in self._servers:
            if isinstance(server, PostgresServer):
                settings["DATABASE_URL"] = server.url
            else:
                settings["REDIS_URL" if server.directory.name == "redis-data" else "CELERY_BROKER_URL"] = server.url
        file = self.directory / "env"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return settings

    @property
    def operator_password(self) -> str:
        return self._kept_secret("operator-password", 12)

    def _kept_secret(self, name: str, length: int) -> str:
        file = self.directory / name
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(length))
        return file.read_text()

    def _make_operator(self) -> None:
        self._manage("operator", OPERATOR, input_=self.operator_password)

    def _manage(self, *words: str, input_: str = "") -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment,
            input=input_,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServerError(f"manage.py {words[0]} failed: {(done.stderr or done.stdout).strip().splitlines()[-1]}")

    def _spawn(self, name: str, *command: str) -> None:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        child = Child(name, process)
        self.children.append(child)
        threading.Thread(target=child.pump, args=(self.say,), name=f"log of {name}", daemon=True).start()

    def _wait_for_web(self) -> None:
        import urllib.error
        import urllib.request

        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            if (dead := self.dead_child()) is not None:
                raise ServerError(f"{dead.name} ended with exit code {dead.process.returncode}.")
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(f"{self.url}/health/live", timeout=2).close()
                return
            time.sleep(0.1)
        raise ServerError(f"the web pages did not answer on {self.url} within {READY_SECONDS:.0f} s.")

    @contextlib.contextmanager
    def _step(self, label: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.say("demo", f"✓ {label} ({time.monotonic() - started:.1f} s)")

    # --- stop --------------------------------------------------------------------------------------------------------
    def _stop(self) -> None:
        for child in reversed(self.children):  # the market first, so that the worker has nothing new to do
            child.stop()
        for server in reversed(self._servers):
            server.stop()

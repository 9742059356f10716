"""Finds installed PostgreSQLs that offer TimescaleDB. Starts none, and says nothing of their edition."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def installed_postgres() -> list[Path]:
    """The bin folders of installed PostgreSQLs that offer TimescaleDB, newest first."""
    found = []
    if pg_config := shutil.which("pg_config"):
        found.append(Path(subprocess.check_output([pg_config, "--bindir"], text=True).strip()))
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    found += sorted(versions, key=lambda folder: int(folder.parent.name), reverse=True)
    return [folder for folder in dict.fromkeys(found) if (folder / "initdb").exists() and _offers(folder)]


def _offers(folder: Path) -> bool:
    share = subprocess.check_output([folder / "pg_config", "--sharedir"], text=True).strip()
    return (Path(share) / "extension" / "timescaledb.control").exists()

"""The producer library's wheel: what is in it, what it needs, and that it runs alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

USES_IT = """
import sys
from pathlib import Path

import streams.engine.limits
from streams.lua import script
from streams.producer import StreamProducer

assert Path(streams.__file__).is_relative_to(sys.argv[1]), streams.__file__
assert script("safe_trim").text and script("read_state").text
for module in ("django", "celery", "tradeul_ops"):
    assert module not in sys.modules, module

import redis
with StreamProducer(redis.Redis.from_url(sys.argv[2])) as producer:
    producer.xadd("snapshots:raw", {"data": {"AAPL": 1}})
    print(producer.get_stats()["total_adds"])
"""


def pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input", *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools leaves its intermediate files where it builds."""
    root = tmp_path_factory.mktemp("wheel")
    source = root / "source"
    shutil.copytree(repository / "streams", source / "streams", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(repository / "pyproject.toml", source)
    pip("wheel", source, "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", root / "wheels")
    (built,) = (root / "wheels").glob("*.whl")
    return built


def test_the_wheel_holds_the_library_and_nothing_else(wheel: Path, repository: Path) -> None:
    parts = {"streams/engine": "*.py", "streams/producer": "*.py", "streams/lua": "*"}
    expected = {
        str(path.relative_to(repository))
        for part, pattern in parts.items()
        for path in (repository / part).glob(pattern)
        if path.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        said = Parser().parsestr(archive.read(metadata).decode())
    assert held == expected | {"streams/__init__.py", "streams/producer/py.typed"}
    assert said["Name"] == "tradeul-streams"
    assert [need.split(">")[0].split("<")[0] for need in said.get_all("Requires-Dist")] == ["redis"]


def test_it_adds_where_no_django_is(wheel: Path, tmp_path: Path, redis_url: str, redis: object) -> None:
    """Installed beside redis-py alone, in a process that sees nothing else of this environment."""
    site = tmp_path / "site"
    pip("install", "--no-deps", "--no-index", "--target", site, wheel)
    library = Path(sys.modules["redis"].__file__ or "").parent
    (site / "redis").symlink_to(library)
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n{USES_IT}"]
    ended = subprocess.run(
        [*command, str(site), redis_url], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "1"), ended.stderr

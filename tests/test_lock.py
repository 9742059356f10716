"""The lock files hold what the requirements ask for, with hashes, and say nothing of where it was fetched from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)[^\n]*\\\n"
PINNED = re.compile(PACKAGE + r"((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M)


def wanted(path: Path) -> list[Requirement]:
    found: list[Requirement] = []
    for line in path.read_text().splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("-r "):
            found += wanted(path.parent / line[3:])
        elif line:
            found.append(Requirement(line))
    return found


@pytest.mark.parametrize(("name", "least"), [("requirements", 14), ("requirements-dev", 30)])
def test_every_requirement_is_pinned_with_hashes_to_a_version_it_allows(
    name: str, least: int, repository: Path
) -> None:
    text = (repository / f"{name}.lock").read_text()
    lines = PINNED.findall(text)
    pinned = {canonicalize_name(package): version for package, version, _ in lines}
    assert len(lines) == len(re.findall(r"^[A-Za-z0-9]", text, re.M)), "a line without hashes"
    asked = wanted(repository / f"{name}.txt")
    assert len(asked) >= least
    off = [str(one) for one in asked if not one.specifier.contains(pinned.get(canonicalize_name(one.name), "0"))]
    assert not off, "run make lock"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_no_address_stands_in_a_lock(name: str, repository: Path) -> None:
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host|file:", (repository / name).read_text())


def test_both_locks_agree(repository: Path) -> None:
    of_runtime, of_tests = (
        {package: version for package, version, _ in PINNED.findall((repository / name).read_text())}
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert {name: of_tests.get(name) for name in of_runtime} == of_runtime


def test_the_image_and_make_install_from_the_locks(repository: Path) -> None:
    for name in ("Dockerfile", "Makefile"):
        assert re.search(r"pip install [^\n]*--require-hashes", (repository / name).read_text()), name

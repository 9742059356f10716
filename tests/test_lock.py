"""The lock files hold what the requirements ask for, with hashes, and say nothing of where it was fetched from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.audit import verdict

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


CLEAN, SKIPPED = {"name": "redis", "version": "6.4.0", "vulns": []}, {"name": "vine", "skip_reason": "not found"}
FLAWED = {"name": "a", "version": "1", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["2"]}]}


@pytest.mark.parametrize(
    ("packages", "status", "words"),
    [
        ([CLEAN, SKIPPED], 0, "audit: 1 packages without a known vulnerability, 1 unknown"),
        ([FLAWED, SKIPPED], 1, "a 1: CVE-2026-1, mended in: 2"),
        ([SKIPPED, SKIPPED], 0, "audit: not audited: the database that answers knows none of the packages (not found)"),
        ([], 0, "audit: not audited"),
    ],
)
def test_an_audit_that_nobody_answered_is_no_clean_one(
    packages: list[dict[str, object]], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verdict(packages) == status
    assert words in capsys.readouterr().out

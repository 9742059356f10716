"""Makes docs/reliability.md of the fault tests: their names say what fails, their docstrings what comes of it.

A docstring has up to three parts, in this order: what the console says; what recovers by itself, and when; what is
kept. `python -m tests.faults.table --write` writes the page; a test fails while it differs.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "reliability.md"
PARTS = ("Says", "Recovers", "Keeps")
HEAD = """# What fails, and what comes of it

Each row is a test on real servers; its file and name are in the last column. Made by
`python -m tests.faults.table --write` from the tests' names and docstrings; a test fails while this page is stale.
"""


class Untold(Exception):
    """A test whose docstring lacks a part; the message names it."""


@dataclass(frozen=True)
class Fault:
    what: str
    says: str
    recovers: str
    keeps: str
    test: str


def faults_of(file: Path) -> Iterator[Fault]:
    """One for each test in the file. Raises Untold."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield _fault(node.name, ast.get_docstring(node) or "", file.name)


def _fault(name: str, told: str, file: str) -> Fault:
    line = " ".join(told.split())
    found = dict.fromkeys(PARTS, "")
    pieces = re.split(rf"(?:^|(?<=\s))({'|'.join(PARTS)}): ", line)
    found |= {part: text.strip() for part, text in zip(pieces[1::2], pieces[2::2], strict=True)}
    missing = [part for part in PARTS if not found[part]]
    if missing:
        raise Untold(f"{file}: {name} tells nothing after {', '.join(f'{part}:' for part in missing)}")
    what = name.removeprefix("test_").replace("_", " ")
    return Fault(what[0].upper() + what[1:], *(found[part] for part in PARTS), test=f"{file} `{name}`")


def page() -> str:
    """Raises Untold."""
    sections = [HEAD]
    for file in sorted(HERE.glob("test_*.py")):
        title = (ast.get_docstring(ast.parse(file.read_text())) or "").splitlines()[0]
        rows = [
            f"| {_cell(fault.what)} | {_cell(fault.says)} | {_cell(fault.recovers)} | {_cell(fault.keeps)} "
            f"| {_cell(fault.test)} |"
            for fault in faults_of(file)
        ]
        head = ["| fault | the console says | recovers by itself | is kept | test |", "|---|---|---|---|---|"]
        sections.append("\n".join([f"## {title.removesuffix('.')}", "", *head, *rows]) + "\n")
    return "\n".join(sections)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the page instead of comparing it")
    wanted = page()
    if parser.parse_args().write:
        PAGE.write_text(wanted)
        return 0
    return 0 if PAGE.exists() and PAGE.read_text() == wanted else 1


if __name__ == "__main__":
    sys.exit(main())

"""docs/security.md names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path


def test_every_row_of_the_checklist_names_a_test_that_is_there(repository: Path) -> None:
    text = (repository / "docs/security.md").read_text()
    rows = re.findall(r"^\| ([\d., ]+) \| (.+?) \| `(tests/[\w/]+\.py)::(\w+)` \|$", text, re.M)
    assert len(rows) > 40
    assert len(rows) == len(re.findall(r"^\| \d", text, re.M)), "a row names no test"
    missing = []
    for _, _, path, name in rows:
        file = repository / path
        tree = ast.parse(file.read_text()) if file.exists() else ast.Module([], [])
        found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        if name not in found:
            missing.append(f"{path}::{name}")
    assert missing == []

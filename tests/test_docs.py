"""Documents that the code writes are as it would write them; every link between documents leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import docs


@pytest.mark.parametrize("name", docs.WRITTEN)
def test_it_is_fresh(name: str) -> None:
    assert (docs.ROOT / name).read_text() == docs.WRITTEN[name](), "run python -m tests.docs"


def test_the_plan_has_every_room_and_no_arrow_between_apps() -> None:
    plan = docs.plan()
    assert all(
        f"| `{app}.{room}` |" in plan for app in ("streams", "snapshots", "timescale") for room in ("engine", "store")
    )
    arrows = re.findall(r"^  (\w+) --> (\w+)$", plan, re.M)
    assert ("console", "streams") in arrows and ("streams", "floor") in arrows
    apps = {"streams", "snapshots", "timescale"}
    assert not [pair for pair in arrows if set(pair) <= apps or (pair[0] == "floor" and pair[1] in apps)]


def test_every_link_in_our_documents_leads_somewhere(repository: Path) -> None:
    missing = []
    for path in [repository / "README.md", *(repository / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in target and not (path.parent / target).exists():
                missing.append(f"{path.name}: {target}")
    assert not missing

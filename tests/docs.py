"""Writes those of our documents that the code itself says: the runbook, and the plan in the architecture.

python -m tests.docs           writes them
python -m tests.docs --check   ends with 1 if one is not as it would be written
"""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("streams", "snapshots", "timescale", "tradeul_ops")
LIBRARIES = ("django", "redis", "psycopg", "celery", "orjson", "numpy", "zstandard")
BEGIN, END = "<!-- plan: python -m tests.docs -->", "<!-- /plan -->"
RUNBOOK_HEAD = """# Runbook

Each kind of finding with its causes and what to do. The console shows the same at `/runbook/`, and every finding there
links to its section. Written by `python -m tests.docs` from `tradeul_ops/console/runbook.py`; edit it there.
"""


def runbook() -> str:
    from django.utils import translation

    from tradeul_ops.console.runbook import ENTRIES

    said = [RUNBOOK_HEAD]
    with translation.override("en"):
        for entry in ENTRIES:
            said.append(f'<a id="{entry.anchor}"></a>\n\n## {entry.title}\n\n`{entry.kind}` {entry.means}\n')
            rows = "\n".join(f"| {why} | {then} |" for why, then in entry.causes)
            said.append(f"| cause | what to do |\n|---|---|\n{rows}\n")
    return "\n".join(said)


def architecture() -> str:
    """The file as it is, with the plan in it renewed."""
    before, begin, rest = (ROOT / "docs/architecture.md").read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, "docs/architecture.md has no place for the plan"
    return f"{before}{BEGIN}\n{plan()}\n{END}{after}"


def plan() -> str:
    """Rooms and who imports whom, as the code's own imports have it; a room is a module or package right in an app."""
    import grimp

    graph = grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)
    imports: dict[str, set[str]] = defaultdict(set)
    rooms: set[str] = set()
    for module in sorted(graph.modules):
        if module.partition(".")[0] not in PACKAGES or ".migrations" in module:
            continue
        rooms.add(_room(module))
        for other in graph.find_modules_directly_imported_by(module):
            top = other.partition(".")[0]
            target = _room(other) if top in PACKAGES else top if top in LIBRARIES else ""
            if target and target != _room(module) and ".migrations" not in other:
                imports[_room(module)].add(target)
    rows = ["| room | imports of ours | libraries |", "|---|---|---|"]
    for room in sorted(rooms, key=lambda name: (PACKAGES.index(name.partition(".")[0]), name)):
        ours = sorted(name for name in imports[room] if name.partition(".")[0] in PACKAGES)
        others = sorted(name for name in imports[room] if name in LIBRARIES)
        if "." in room:
            rows.append(f"| `{room}` | {_listed(ours, room)} | {', '.join(others)} |")
    return "\n".join([_diagram(imports), "", *rows])


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _listed(names: list[str], room: str) -> str:
    app = room.partition(".")[0]
    return ", ".join(f"`{name.removeprefix(f'{app}.')}`" for name in names if name != app)


def _diagram(imports: dict[str, set[str]]) -> str:
    """Apps, floor and roof: an arrow for each that imports another."""
    sides: dict[tuple[str, str], None] = {}
    for room, targets in imports.items():
        for target in targets:
            if target.partition(".")[0] in PACKAGES and (pair := (_side(room), _side(target)))[0] != pair[1]:
                sides[pair] = None
    lines = [f"  {one} --> {other}" for one, other in sorted(sides) if "project" not in (one, other)]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


def _side(room: str) -> str:
    if not room.startswith("tradeul_ops"):
        return room.partition(".")[0]
    name = room.partition(".")[2]
    if name in {"console", "demo", "proof"}:
        return name
    return "project" if name in {"", "settings", "urls", "celery", "wsgi", "asgi"} else "floor"


WRITTEN: dict[str, Callable[[], str]] = {"docs/runbook.md": runbook, "docs/architecture.md": architecture}


def stale() -> list[str]:
    return [name for name, make in WRITTEN.items() if (ROOT / name).read_text() != make()]


def main(words: list[str]) -> int:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    if words == ["--check"]:
        names = stale()
        sys.stderr.write("".join(f"{name} is not what the code says: python -m tests.docs\n" for name in names))
        return 1 if names else 0
    for name, make in WRITTEN.items():
        (ROOT / name).write_text(re.sub(r"[ \t]+$", "", make(), flags=re.M))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

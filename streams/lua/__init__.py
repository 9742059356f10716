"""Reads this folder's scripts. Runs none."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Script:
    text: str
    sha: str


@functools.cache
def script(name: str) -> Script:
    text = (Path(__file__).parent / f"{name}.lua").read_text("utf-8")
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())

"""Reads this folder's scripts. Runs none."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Script:
    text: str
    sha: str

    def calls(self, keys: Sequence[Any], args: Iterable[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The words to send, and those to send instead where the server answers NOSCRIPT: after that it knows it."""
        words = (len(keys), *keys, *args)
        return ("EVALSHA", self.sha, *words), ("EVAL", self.text, *words)


@functools.cache
def script(name: str) -> Script:
    text = (Path(__file__).parent / f"{name}.lua").read_text("utf-8")
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())

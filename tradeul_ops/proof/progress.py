"""Says how far a long piece of work has come: a bar on a terminal, a line for each tenth elsewhere. Counts only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

WIDTH = 30
EVERY_SECONDS = 0.2


class Progress:
    """`out` None is silence."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out
        self._terminal = out is not None and out.isatty()
        self._guard = threading.Lock()

    @contextmanager
    def of(self, what: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Inside, the function is told of each further part that is done; from any thread."""
        began = shown = time.monotonic()
        done, tenth = 0, 0

        def told(more: int) -> None:
            nonlocal done, shown, tenth
            with self._guard:
                done += more
                if total is None:
                    return
                now = time.monotonic()
                if self._terminal and (now - shown >= EVERY_SECONDS or done >= total):
                    shown = now
                    full = WIDTH * done // total
                    self._write(f"\r{what:>14} {'█' * full}{'░' * (WIDTH - full)} {100 * done // total:3} %")
                elif not self._terminal and 10 * done // total > tenth:
                    tenth = 10 * done // total
                    self._write(f"{what:>14} {10 * tenth:3} %, {now - began:.0f} s\n")

        if total is None:
            self._write(f"{what:>14} …" + ("" if self._terminal else "\n"))
        yield told
        self._write(f"\r{what:>14} done in {time.monotonic() - began:.1f} s{' ' * WIDTH}\n")

    def _write(self, text: str) -> None:
        if self._out is not None:
            self._out.write(text)
            self._out.flush()

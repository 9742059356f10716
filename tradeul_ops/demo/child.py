"""A process of a running platform, and what it logs. Starts none."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

STOP_SECONDS = 15.0
ERROR_LINE = re.compile(r"\b(ERROR|CRITICAL)\b|^Traceback \(most recent call last\)")


@dataclass
class Child:
    """One process of ours and its log: printed with its name before each line, kept where a line says ERROR."""

    name: str
    process: subprocess.Popen[str]
    errors: list[str] = field(default_factory=list)

    def pump(self, say: Callable[[str, str], None]) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                line = line.rstrip()
                if ERROR_LINE.search(line):
                    self.errors.append(line)
                say(self.name, line)

    def stop(self) -> None:
        """SIGTERM to the process, and after a while SIGKILL to its whole group."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

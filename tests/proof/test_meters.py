"""What a process holds is what it asked for, and not the files that it reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tradeul_ops.proof import meters

MB = 1_000_000
HOLDS = """
import mmap, sys
said, size = sys.stdin.readline(), 40_000_000
held = bytearray(b"x") * size
print("asked for", flush=True)
sys.stdin.readline()
with open(sys.argv[1], "rb") as file:
    seen = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
assert sum(seen[page] for page in range(0, len(seen), 4096)) == 0
print("read", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells files' pages apart")
def test_what_is_held_is_without_the_pages_of_files(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(40 * MB))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        found = [meters.held_bytes(process.pid)]
        for said in ("asked for", "read"):
            process.stdin.write("go on\n")
            process.stdin.flush()
            assert process.stdout.readline().strip() == said
            found.append(meters.held_bytes(process.pid))
        whole = meters.memory_bytes(process.pid)
        process.stdin.close()
    before, asked, read = found
    assert 39 * MB < asked - before < 42 * MB
    assert read - asked < 1 * MB
    assert whole - read > 39 * MB, "all of it has the file's, too"


def test_of_a_process_that_has_ended_nothing_is_said() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with pytest.raises(psutil.NoSuchProcess):
        meters.held_bytes(process.pid)

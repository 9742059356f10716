"""Runs the fuzzers again and again, each time from another seed, until the minutes are over. Ends at what they find.

python -m tests.fuzz --minutes 10
"""

from __future__ import annotations

import argparse
import secrets
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("which", nargs="*", default=["tests/fuzz"], help="files of tests/fuzz; all of them")
    asked = parser.parse_args()
    until, rounds = time.monotonic() + asked.minutes * 60, 0
    while (left := until - time.monotonic()) > 0:
        seed = secrets.randbelow(2**32)
        sys.stdout.write(f"round {rounds + 1}, seed {seed}, {left / 60:.1f} minutes left\n")
        sys.stdout.flush()
        options = ["--hypothesis-profile", "fuzz", "--hypothesis-seed", str(seed), "--numprocesses", "0", "-q", "-x"]
        ended = subprocess.run([sys.executable, "-m", "pytest", *options, *asked.which], cwd=ROOT, check=False)
        if ended.returncode:
            return ended.returncode
        rounds += 1
    sys.stdout.write(f"{rounds} rounds without a finding\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

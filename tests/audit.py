"""Looks the locked versions up among known vulnerabilities. Ends with 1 on a finding; with 0 where nobody answers.

Says why: pip-audit itself says "No known vulnerabilities found" where its index knows none of the packages.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--timeout", "10", "--format", "json"]
COMMAND = ["uv", "tool", "run", "pip-audit", *OPTIONS, "--requirement", "requirements.lock"]
PATIENCE = 300  # s, for some fifty packages


def main() -> int:
    uv = Path(sys.executable).parent / COMMAND[0]
    try:
        ended = subprocess.run(
            [uv, *COMMAND[1:]], cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return said(f"not audited: nobody answered within {PATIENCE} s", 0)
    try:
        packages = json.loads(ended.stdout)["dependencies"]
    except (ValueError, KeyError):
        why = (ended.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        return said(f"not audited: no database of vulnerabilities answers ({why})", 0)
    return verdict(packages)


def verdict(packages: list[dict[str, Any]]) -> int:
    """`packages` as pip-audit's JSON has them: name, version, vulns; or name, skip_reason."""
    found = [(one, flaw) for one in packages for flaw in one.get("vulns", ())]
    skipped = [one for one in packages if "skip_reason" in one]
    for one, flaw in found:
        mended = ", ".join(flaw.get("fix_versions", ())) or "none yet"
        sys.stdout.write(f"{one['name']} {one['version']}: {flaw['id']}, mended in: {mended}\n")
    if found:
        return said(f"{len(found)} known vulnerabilities", 1)
    if len(skipped) == len(packages):
        why = skipped[0]["skip_reason"] if skipped else "no package was asked about"
        return said(f"not audited: the database that answers knows none of the packages ({why})", 0)
    return said(f"{len(packages) - len(skipped)} packages without a known vulnerability, {len(skipped)} unknown", 0)


def said(text: str, status: int) -> int:
    sys.stdout.write(f"audit: {text}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())

"""What the import contracts can't say: first lines, file lengths, no script or style in templates."""

import re
import subprocess
from pathlib import Path

LONGEST = 300


def _tracked(repository: Path, pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    return [repository / line for line in listed.stdout.splitlines() if (repository / line).exists()]


def test_every_module_says_what_it_does(repository: Path) -> None:
    silent = [
        str(path.relative_to(repository))
        for path in _tracked(repository, "*.py")
        if path.name != "__init__.py"
        and "migrations" not in path.parts
        and not re.match(r'(#!.*\n)?"""\S', path.read_text())
    ]
    assert not silent


def test_no_file_grows_past_one_noun(repository: Path) -> None:
    long = {
        str(path.relative_to(repository)): lines
        for path in _tracked(repository, "*.py")
        if "migrations" not in path.parts and (lines := path.read_text().count("\n")) > LONGEST
    }
    assert not long


def test_pages_carry_no_inline_script_or_style(repository: Path) -> None:
    """The content security policy would refuse them in the browser, silently for the author."""
    inline = re.compile(r"<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=|<style|hx-on")
    guilty = [str(path.name) for path in _tracked(repository, "templates/*.html") if inline.search(path.read_text())]
    assert not guilty

"""The runbook has a section for every kind of finding that the code makes, and findings link to theirs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.test import Client

from tests.console import factories
from tradeul_ops.console import runbook
from tradeul_ops.console.sentence import judge

KEY = re.compile(r"^(away|processes|streams|snapshots|hypertables)/\w*")


def keys_in_code(repository: Path) -> set[str]:
    """What the keys of findings begin with, as sentence.py writes them: “streams/of/”, “streams/memory”, …"""
    tree = ast.parse((repository / "tradeul_ops/console/sentence.py").read_text())
    said = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {text for text in said if KEY.match(text)}


def test_every_kind_of_finding_has_a_section_and_every_section_a_kind(repository: Path) -> None:
    keys = keys_in_code(repository)
    assert {"away/", "processes/", "streams/memory", "streams/of/", "snapshots/", "hypertables/"} <= keys
    found = {runbook.entry_of(key).kind for key in keys - {"processes/"}}
    found |= {runbook.entry_of(f"processes/{role}").kind for role in ("worker", "beat")}
    assert found == {entry.kind for entry in runbook.ENTRIES}


def test_the_most_particular_section_is_taken() -> None:
    assert runbook.entry_of("hypertables/jobs").kind == "hypertables/jobs"
    assert runbook.entry_of("hypertables/scan_results").kind == "hypertables/"
    with pytest.raises(KeyError):
        runbook.entry_of("something/new")


def test_a_finding_leads_to_its_section(client: Client, db: None, redis: redis_library.Redis) -> None:
    over = factories.streams(factories.stream_row(condition="over", why="Too long."))
    (finding,) = judge(factories.overview(streams=over)).findings
    assert finding.runbook == "/runbook/#streams-of"
    client.force_login(get_user_model().objects.create_user("luis"))
    page = client.get("/runbook/").content.decode()
    assert {f'id="{entry.anchor}"' for entry in runbook.ENTRIES} <= set(re.findall(r'id="[\w-]+"', page))
    assert 'href="/runbook/#processes-worker"' in client.get("/findings/").content.decode()

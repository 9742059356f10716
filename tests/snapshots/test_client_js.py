"""The browser's reader and Python's rebuild the same states from the same documents."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from snapshots.engine import codec
from tests.snapshots import generators
from tests.snapshots.chains import build, exact

CLIENT = Path(__file__).resolve().parents[2] / "snapshots" / "static" / "snapshots" / "client.js"
node = shutil.which("node")
pytestmark = pytest.mark.skipif(node is None, reason="node is not on PATH")


def chain_of(snapshots: list[tuple[int, dict[str, Any]]], *, prefer_deltas: bool) -> list[Any]:
    """The documents of the snapshots, each after so many seconds, as JavaScript parses them."""
    published, now_ms, documents = None, 0, []
    for seconds, records in snapshots:
        now_ms += seconds * 1000
        built = build(published, records, now_ms=now_ms)
        part = built.delta if built.delta is not None and (prefer_deltas or built.full is None) else built.full
        assert part is not None
        documents.append(json.loads(codec.unpack(part.stored)))
        published = built.published
    return documents


def rebuild(chains: list[list[Any]], path: Path) -> subprocess.CompletedProcess[str]:
    path.write_text(json.dumps(chains))
    script = Path(__file__).with_name("rebuild.mjs")
    return subprocess.run([str(node), str(script), str(CLIENT), str(path)], capture_output=True, text=True, check=False)


def value_of(plain: Any) -> Any:
    if isinstance(plain, list):
        return [value_of(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if "object" in plain:
        return {key: value_of(item) for key, item in plain["object"]}
    if "big" in plain:
        number = int(plain["big"])
        assert abs(number) >= 2**53, "a BigInt where a number would do"
        return number
    assert plain["number"] != "-0"
    number = float(plain["number"])
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


collected: list[list[tuple[int, dict[str, Any]]]] = []


@given(
    st.lists(
        st.tuples(st.sampled_from([5, 5, 300]), st.one_of(generators.snapshots, generators.quiet_snapshots)),
        min_size=1,
        max_size=5,
    )
)
@settings(
    max_examples=300,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
def collect(snapshots: list[tuple[int, dict[str, Any]]]) -> None:
    collected.append(snapshots)


def test_both_readers_rebuild_what_the_source_said(tmp_path: Path) -> None:
    collected.clear()
    collect()
    market = generators.market(7, tickers=300)
    ticks = [market]
    for seed in range(5):
        ticks.append(generators.tick(ticks[-1], seed))
    collected.append([(5 if number % 3 else 300, records) for number, records in enumerate(ticks)])
    for prefer_deltas in (True, False):
        chains = [chain_of(snapshots, prefer_deltas=prefer_deltas) for snapshots in collected]
        done = rebuild(chains, tmp_path / "chains.json")
        assert done.returncode == 0, done.stderr
        for snapshots, answers in zip(collected, json.loads(done.stdout), strict=True):
            for (_, records), answer in zip(snapshots, answers, strict=True):
                assert exact({symbol: value_of(record) for symbol, record in answer}) == exact(records)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda chain: chain[1].update(seq=5), "a gap: the state is at 1, the delta is 5"),
        (lambda chain: chain[1].update(epoch="other"), "a new epoch other began"),
        (lambda chain: chain[1].update(base=0), "numbers rows by 0, not 1"),
        (lambda chain: chain[1].update(v=2), "version 2; this reader knows 1"),
        (lambda chain: chain[1]["groups"][0]["columns"]["price"]["v"].__setitem__(0, 7), "the writer's was"),
        (lambda chain: chain[0]["columns"]["name"].__setitem__(0, "B"), "the writer's was"),
    ],
)
def test_a_wrong_document_is_refused(tmp_path: Path, damage: Any, sentence: str) -> None:
    chain = chain_of(
        [(0, {"A": {"price": 1.25, "name": "a"}}), (5, {"A": {"price": 1.5, "name": "a"}})], prefer_deltas=True
    )
    damage(chain)
    done = rebuild([chain], tmp_path / "chains.json")
    assert done.returncode != 0
    assert sentence in done.stderr

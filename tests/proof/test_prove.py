"""`manage.py prove` as a whole, tiny, on servers of its own; and one whose after-side was sabotaged."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command

from tradeul_ops.demo.servers import ServerError
from tradeul_ops.proof import report
from tradeul_ops.proof.after import After
from tradeul_ops.proof.page import page
from tradeul_ops.proof.rows import Row, Verdict
from tradeul_ops.proof.run import prove
from tradeul_ops.proof.scale import SCALES, SMALL, Scale
from tradeul_ops.proof.source import Work
from tradeul_ops.proof.table import kept, rows_of
from tradeul_ops.proof.writers import Records

pytestmark = pytest.mark.stack
TINY = replace(
    SMALL,
    name="tiny",
    tickers=200,
    ticks=36,
    history_symbols=20,  # fewer, and a chunk is mostly overhead
    full_snapshot_interval=timedelta(seconds=30),
)
GROWTH = "growth of `used_memory`"


def _verdicts(rows: list[Row]) -> dict[str, Verdict]:
    return {row.what: row.verdict for row in rows}


def test_a_tiny_proof_keeps_its_promises(tmp_path: Path, monkeypatch, capsys) -> None:
    """On the PostgreSQL that every machine has. Growth is left out: a saw-tooth of three minutes has no slope."""
    monkeypatch.setitem(SCALES, "small", TINY)
    monkeypatch.setattr("tradeul_ops.proof.servers.installed_postgres", list)
    html = tmp_path / "report.html"
    code = 0
    try:
        call_command("prove", json=True, html=html, directory=tmp_path)
    except SystemExit as ended:
        code = int(ended.code or 0)
    told = json.loads(capsys.readouterr().out)
    rows = {row["what"]: row for row in told["rows"]}
    missed = {what for what, row in rows.items() if row["verdict"] == "missed"}
    assert missed <= {GROWTH}, missed
    assert code == bool(missed) and told["kept"] is not bool(missed)
    assert rows["`snapshots:raw`"]["before"] == 36 * 200
    assert rows["`snapshots:raw`"]["after"] <= 1_300
    assert rows["`scan_results`, with its indexes"]["verdict"] == "shown"  # deleted rows' pages stay
    assert rows["`scan_results`, rows"]["after"] <= 0.8 * rows["`scan_results`, rows"]["before"]
    assert rows["entries that their group never got"]["after"] == 0
    assert rows["snapshot, delta: median"]["after"] < rows["snapshot, delta: median"]["before"] / 10
    assert len(told["after"]["samples"]) == len(told["before"]["samples"]) == 36
    text = html.read_text()
    assert text.count("<svg") >= 8 and "<script" not in text
    assert not {"src=", "http://", "https://"} & set(text.split()), "it needs something from elsewhere"


class Sabotaged(After):
    """Nobody enforces, its producer knows no limit, and its snapshot has every fifth ticker only."""

    def enforce(self) -> None:
        pass

    def write_entries(self, work: Work) -> None:
        for stream, entries in work.entries.items():
            pipe = self.redis.pipeline(transaction=False)
            for fields in entries:
                pipe.xadd(stream, fields)
            pipe.execute()

    def write_snapshot(self, records: Records, *, at) -> None:
        super().write_snapshot(dict(list(records.items())[::5]), at=at)

    def left_to_bound(self) -> int:
        return super().left_to_bound() if self.seen.redis else 0  # nobody waits for what will not come


def test_a_proof_whose_after_side_does_not_work_fails(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tradeul_ops.proof.run.SETTLE_SECONDS", 0.1)
    monkeypatch.setattr("tradeul_ops.proof.run._Runner._policies", lambda self: ())
    proof = prove(TINY, tmp_path, make_after=Sabotaged)
    rows = rows_of(proof)
    assert not kept(rows)
    verdicts = _verdicts(rows)
    for what in (
        "`snapshots:raw`",
        "`stream:realtime:aggregates`",
        "`events:session`",
        "tickers that a consumer has otherwise than the source",
        "chunks, or a table, that a policy has not got to",
        GROWTH,
    ):
        assert verdicts[what] is Verdict.MISSED, what
    assert "Missed: " in report.text(proof, rows) and "**missed**" in report.text(proof, rows)
    assert "`snapshots:raw`".strip("`") in page(proof, rows)


def test_a_given_server_must_be_empty(tmp_path: Path, redis, redis_url: str) -> None:
    redis.set("test:somebody's", 1)
    scale: Scale = TINY
    with pytest.raises(ServerError, match="holds 1 keys; a proof takes an empty Redis only"):
        prove(scale, tmp_path, given={"BEFORE_REDIS_URL": redis_url})
    assert redis.get("test:somebody's") == b"1"

"""What flat means, on series that are known; and a short soak of the whole platform."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tradeul_ops.celery import app
from tradeul_ops.proof.progress import Progress
from tradeul_ops.proof.rows import Verdict
from tradeul_ops.proof.slope import means
from tradeul_ops.proof.soak import Line, Soak, soak, text

MB = 1e6


def line(per_hour: float, *, limit: float = 20 * MB, noise: float = 0.3 * MB) -> Line:
    draw = random.Random(5)
    points = [(float(second), 90 * MB + per_hour * second / 3600 + draw.gauss(0, noise)) for second in range(108)]
    return Line("worker", tuple(points), limit)


def test_flat_is_flat_and_a_leak_is_not() -> None:
    assert line(0).verdict is Verdict.MET
    assert line(-50 * MB).verdict is Verdict.MET
    assert line(60 * MB).verdict is Verdict.MISSED
    assert Line("worker", (), 20 * MB).verdict is Verdict.MISSED  # nothing was seen


def test_a_saw_tooth_is_no_proof_of_growth() -> None:
    """Eleven teeth and a half of ten seconds, one sample a second: a line through them seems to rise."""
    points = tuple((float(second), 90 * MB + second % 10 * MB) for second in range(-6, 109))
    assert Line("worker", points, 20 * MB).verdict is Verdict.MET
    assert len(means(points, 12)) == 12 and means(points[:3], 12) == list(points[:3])


def test_one_leak_is_enough_and_an_error_in_a_log_too() -> None:
    assert Soak(180, 10, [line(0), line(0)]).flat
    assert not Soak(180, 10, [line(0), line(90 * MB)]).flat
    assert not Soak(180, 10, [line(0)], errors=["worker: ERROR"]).flat
    assert text(Soak(180, 10, [line(90 * MB)])).endswith("Not flat.")


@pytest.mark.stack
def test_a_minute_of_the_whole_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process is read, and one limit that nothing can keep is missed: the slopes are measured, not assumed."""
    monkeypatch.setitem(app.conf, "task_always_eager", False)  # here it is the soak's worker that works
    limits = dict.fromkeys(("Redis, used_memory", "Redis, resident", "broker", "PostgreSQL", "beat"), 10_000 * MB)
    limits["worker"] = -10_000 * MB
    found = soak(0.1, tmp_path / "stack", speed=10, tickers=200, limits=limits, progress=Progress(None))
    assert found.seconds == 60 and not found.errors
    verdicts = {line.what: line.verdict for line in found.lines}
    assert verdicts.pop("worker") is Verdict.MISSED
    assert set(verdicts.values()) == {Verdict.MET}
    sizes = {line.what: line.points[-1][1] for line in found.lines}
    assert sizes["worker"] > 20 * MB and sizes["beat"] > 20 * MB and sizes["Redis, used_memory"] > 1 * MB
    assert not found.flat

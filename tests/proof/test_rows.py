"""When a row of the table is met, missed, or nobody's promise; and how it reads."""

import pytest

from tradeul_ops.proof.rows import Row, Unit, Verdict, markdown, of_slopes
from tradeul_ops.proof.slope import Slope


def row(after: float | None, *, limit: float | None, error: float | None = None) -> Row:
    return Row("Redis `used_memory`", Unit.BYTES, "743 → 150 MB", 743e6, after, limit, after_error=error)


@pytest.mark.parametrize(
    ("after", "limit", "error", "verdict"),
    [
        (150e6, 200e6, None, Verdict.MET),
        (200e6, 200e6, None, Verdict.MET),
        (200e6 + 1, 200e6, None, Verdict.MISSED),
        (150e6, 200e6, 25e6, Verdict.MET),
        (150e6, 200e6, 26e6, Verdict.MISSED),  # it may be above
        (None, 200e6, None, Verdict.MISSED),  # what was not measured was not kept
        (900e6, None, None, Verdict.SHOWN),
        (0, 0, None, Verdict.MET),
        (1, 0, None, Verdict.MISSED),
    ],
)
def test_verdicts(after, limit, error, verdict) -> None:
    assert row(after, limit=limit, error=error).verdict is verdict


def test_growth_is_judged_against_the_growth_before() -> None:
    before, flat, grows = Slope(1e9, 1e6, 50), Slope(5e6, 2e6, 50), Slope(9.5e7, 5e6, 50)
    assert of_slopes("growth", "stable", before, flat, share=0.1).verdict is Verdict.MET
    assert of_slopes("growth", "stable", before, grows, share=0.1).verdict is Verdict.MISSED
    assert of_slopes("growth", "stable", before, None, share=0.1).verdict is Verdict.MISSED
    assert of_slopes("growth", "", before, grows, share=None).verdict is Verdict.SHOWN


def test_where_nothing_grew_before_nothing_may_grow_after() -> None:
    assert of_slopes("growth", "stable", None, Slope(1e6, 0, 50), share=0.1).verdict is Verdict.MISSED


def test_as_markdown() -> None:
    table = markdown([row(38.2e6, limit=200e6), row(250e6, limit=200e6), row(None, limit=None)])
    assert table.splitlines()[2:] == [
        "| Redis `used_memory` | 743 → 150 MB | 743.0 MB | 38.2 MB | met |",
        "| Redis `used_memory` | 743 → 150 MB | 743.0 MB | 250.0 MB | **missed** |",
        "| Redis `used_memory` | 743 → 150 MB | 743.0 MB | – |  |",
    ]

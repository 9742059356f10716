"""Numbers on pages: exact, with units, and unknown where nothing is known."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import translation

from tradeul_ops.console.templatetags import charts, figures


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "unknown"), (0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (10_812_000, "10.8 MB"), (182_400_000, "182 MB"),
     (99_960_000, "100 MB"), (999_700, "1.0 MB"), (5_000_000_000, "5.0 GB"), (2_000_000_000_000_000, "2000 TB")],
)  # fmt: skip
def test_bytes(value: int | None, shown: str) -> None:
    assert figures.bytes_(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "unknown"), (0, "0 s"), (0.4, "0.4 s"), (59, "59 s"), (298, "4 m 58 s"), (3600, "1 h"), (259_200, "3 d"),
     (90_061, "1 d 1 h")],
)  # fmt: skip
def test_a_length_of_time(value: float | None, shown: str) -> None:
    assert figures.span(None if value is None else timedelta(seconds=value)) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(None, "unknown"), (0, "0 ms"), (240.4, "240 ms"), (999.6, "1.0 s"), (20_931, "20.9 s"), (298_000, "4 m 58 s")],
)
def test_how_long_work_took(milliseconds: float | None, shown: str) -> None:
    assert figures.took(milliseconds) == shown


def test_ago_never_counts_from_the_future() -> None:
    now = datetime(2026, 3, 8, 12, tzinfo=UTC)
    assert figures.ago(now + timedelta(seconds=3), now) == "0 s ago"
    assert figures.ago(None, now) == "never"


def test_a_gauge_shows_what_lies_beyond_its_limit() -> None:
    drawn = figures.gauge(1480, 500, 1500, "attention")
    fill = float(re.search(r'class="fill" width="([\d.]+)"', drawn)[1])
    limit, ceiling = (float(re.search(rf'class="{name}" x="([\d.]+)"', drawn)[1]) for name in ("limit", "ceiling"))
    assert limit < fill < ceiling <= 100
    assert "<title>1,480 of 500, ceiling 1,500</title>" in drawn
    assert 'class="fill" width="0.0"' in figures.gauge(0, 0) and 'class="limit"' not in figures.gauge(0, 0)


def test_where_numbers_have_commas_a_drawing_keeps_its_points() -> None:
    """In Spanish a template writes 98,67, which is no number of SVG."""
    points = [(60.0 * n, 3.0 * n) for n in range(7)]
    with translation.override("es"):
        spark, gauge = charts.sparkline(points), figures.gauge(1480, 500, 1500)
    assert 'width="98.67"' in gauge
    assert re.search(r'<circle class="last" cx="[\d.]+" cy="[\d.]+" r="2"/>', spark)

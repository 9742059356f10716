"""A proof as one HTML file with charts, for people: no script, nothing from elsewhere. Measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.template import engines
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from tradeul_ops import charts
from tradeul_ops.proof.comparison import Comparison
from tradeul_ops.proof.report import COSTLIEST, headline
from tradeul_ops.proof.rows import Row, Unit, Verdict, spell_bytes
from tradeul_ops.proof.run import Proof
from tradeul_ops.proof.side import Sample
from tradeul_ops.proof.table import TABLE_BYTES, USED_MEMORY, kept

HERE = Path(__file__).parent
STYLES = HERE.parent / "console/static/console/console.css"
SIZES = {"wide": (960, 260), "narrow": (360, 220)}
UNSEEN = "unseen"  # a level that only makes both lines' axes the same

Reading = Callable[[Sample], int | None]


@dataclass(frozen=True)
class Drawn:
    """Two lines on one axis; `before` carries the axes."""

    kind: str
    before: charts.Chart
    after: charts.Chart
    values: list[tuple[float, str]]

    @property
    def levels(self) -> list[charts.DrawnLevel]:
        return [drawn for drawn in self.before.levels if drawn.level.kind != UNSEEN]


@dataclass(frozen=True)
class Figure:
    title: str
    told: str
    drawn: list[Drawn]


def page(proof: Proof, rows: Sequence[Row]) -> str:
    context = {
        "headline": headline(proof),
        "kept": kept(rows),
        "missed": [row.what.replace("`", "") for row in rows if row.verdict is Verdict.MISSED],
        "promises": sum(row.limit is not None for row in rows),
        "rows": [_cells(row) for row in rows],
        "figures": _figures(proof),
        "calls": [(name, _calls(seen)) for name, seen in (("before", proof.before), ("after", proof.after))],
        "notes": [*proof.notes, *proof.scale.notes],
        "started_at": proof.started_at + proof.scale.market_time,
    }
    return _rendered("page.html", context)


def comparison_page(found: Comparison) -> str:
    """Each table with a bar below each number; at 390 px a way is a card."""
    tables = []
    for table in found.tables:
        ways = [
            (
                _parts(way.name),
                [
                    (column, text, f"{100 * share:.1f}" if share else "")
                    for column, text, share in zip(table.columns, table.texts(way), table.shares(way), strict=True)
                ],
            )
            for way in table.ways
        ]
        title = table.title[:1].upper() + table.title[1:]
        tables.append((_parts(title), list(table.columns), ways))
    return _rendered("peers.html", {"headline": found.headline, "tables": tables})


def _rendered(name: str, context: dict[str, Any]) -> str:
    template = engines["django"].from_string((HERE / name).read_text())
    styles = mark_safe(STYLES.read_text() + (HERE / "page.css").read_text())  # noqa: S308  # our own files
    rendered: str = template.render({"styles": styles, **context})
    return rendered


def _parts(text: str) -> list[tuple[str, bool]]:
    """What stands between backquotes is code."""
    return [(part, number % 2 == 1) for number, part in enumerate(text.split("`")) if part]


def _cells(row: Row) -> dict[str, Any]:
    before, after = row.texts
    return {
        "name": _parts(row.what),
        "promised": row.promised.replace("`", ""),
        "before": before,
        "after": after,
        "verdict": row.verdict,
    }


def _calls(seen: Any) -> list[tuple[str, str, str]]:
    if seen.redis is None:
        return []
    return [(command, f"{calls:,}", f"{seconds:.2f} s") for command, calls, seconds in seen.redis.costliest(COSTLIEST)]


def _figures(proof: Proof) -> list[Figure]:
    promised = charts.Level(_("promised"), USED_MEMORY, "limit")
    tables = charts.Level(_("promised"), TABLE_BYTES, "limit")
    wanted: list[tuple[str, Reading, Unit, list[charts.Level]]] = [
        (_("Redis, used_memory"), lambda sample: sample.used_memory, Unit.BYTES, [promised]),
        (_("Redis, resident"), lambda sample: sample.rss, Unit.BYTES, []),
        (_("Entries in the five streams"), lambda sample: sample.entries, Unit.COUNT, []),
        (
            _("scan_results, with its indexes"),
            lambda sample: sample.table_bytes,
            Unit.BYTES,
            [tables] if _highest(proof, lambda sample: sample.table_bytes) > TABLE_BYTES / 3 else [],
        ),
    ]
    return [_figure(proof, title, of, unit, levels) for title, of, unit, levels in wanted]


def _figure(proof: Proof, title: str, of: Reading, unit: Unit, levels: list[charts.Level]) -> Figure:
    # A promise far above both lines would press them flat: then it stays a number in the table.
    highest = _highest(proof, of)
    levels = [level for level in levels if level.value <= 4 * highest]
    same = charts.Level("", highest, UNSEEN)
    since = proof.started_at
    span = {"since": since, "until": since + proof.scale.market_time, "levels": [*levels, same]}
    spelled = spell_bytes if unit is Unit.BYTES else lambda value: f"{value:,.0f}"
    lines: list[list[charts.Point]] = []
    for seen in (proof.before, proof.after):
        found = [(since + timedelta(seconds=sample.at), of(sample)) for sample in seen.samples]
        lines.append([(at, float(value)) for at, value in found if value is not None])
    drawn = []
    for kind, (width, height) in SIZES.items():
        before, after = (charts.chart(points, width=width, height=height, **span) for points in lines)  # type: ignore[arg-type]
        drawn.append(Drawn(kind, before, after, [(y, spelled(value)) for y, value in before.values]))
    ends = [spelled(points[-1][1] or 0) if points else "–" for points in lines]
    told = _("%(title)s: at the end %(before)s before, %(after)s after")
    return Figure(title, told % {"title": title, "before": ends[0], "after": ends[1]}, drawn)


def _highest(proof: Proof, of: Reading) -> float:
    samples = (*proof.before.samples, *proof.after.samples)
    return float(max((value for sample in samples if (value := of(sample)) is not None), default=1))

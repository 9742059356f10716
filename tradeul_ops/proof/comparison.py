"""Others' ways next to this project's, as tables of numbers, and how they read. Measures none and judges none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tradeul_ops.proof.rows import SPELLED, Unit


@dataclass(frozen=True)
class Way:
    """`figures`: one for each column of its table, in that column's unit; None is unknown."""

    name: str
    figures: tuple[float | None, ...]


@dataclass(frozen=True)
class Table:
    title: str
    columns: Mapping[str, Unit]
    ways: tuple[Way, ...]

    def texts(self, way: Way) -> list[str]:
        """As a person reads them."""
        units = self.columns.values()
        return ["–" if one is None else SPELLED[unit](one) for one, unit in zip(way.figures, units, strict=True)]

    def shares(self, way: Way) -> list[float]:
        """0 to 1, of the largest that any way has in each column; 0 where nothing is known."""
        largest = [max((one for one in column if one), default=0.0) for column in zip(*self._figures(), strict=True)]
        return [(one or 0.0) / most if most else 0.0 for one, most in zip(way.figures, largest, strict=True)]

    def __str__(self) -> str:
        lines = [f"| {' | '.join((self.title, *self.columns))} |", "|---" * (len(self.columns) + 1) + "|"]
        return "\n".join([*lines, *(f"| {' | '.join((way.name, *self.texts(way)))} |" for way in self.ways)])

    def _figures(self) -> list[tuple[float | None, ...]]:
        return [way.figures for way in self.ways]


@dataclass(frozen=True)
class Comparison:
    """`seconds`: how long all of it took."""

    scale: str
    tables: tuple[Table, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def headline(self) -> str:
        servers = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"Scale {self.scale}; {servers}. Took {self.seconds:.0f} s."

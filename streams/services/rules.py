"""The rules in force, and the streams that they are for. Changes nothing but to remember names."""

from __future__ import annotations

from collections.abc import Iterable

from streams.engine.rules import Rules
from streams.models import Stream, StreamLimit


def load_rules() -> Rules:
    return load_rules_and_ids()[0]


def load_rules_and_ids() -> tuple[Rules, dict[str, int]]:
    """The rules, and by their keys the ids of their rows."""
    rows = [(row.rule, row.pk) for row in StreamLimit.objects.all()]
    return Rules(rule for rule, _ in rows), {rule.key: pk for rule, pk in rows}


def known_streams() -> tuple[str, ...]:
    """Found on the server, or named by a limit."""
    return tuple(Stream.objects.values_list("name", flat=True))


def remember(names: Iterable[str]) -> None:
    """Sees to it that each has a row: sweeps keep there when it is due."""
    wanted = set(names)
    missing = wanted - set(Stream.objects.filter(name__in=wanted).values_list("name", flat=True)) if wanted else ()
    Stream.objects.bulk_create([Stream(name=name) for name in sorted(missing)], batch_size=500, ignore_conflicts=True)

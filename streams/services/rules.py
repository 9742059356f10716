"""The rules in force, and the streams that they are for. Changes nothing but to remember names."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from streams.engine.patterns import matches
from streams.engine.rules import Rules
from streams.models import Stream, StreamLimit

LONGEST_NAME = 512  # the column's
FOUND_WITHIN = timedelta(minutes=5)  # a stream is there if a scan met it since: one every 15 s, some for a whole round
# Kept short by whoever writes them, as part of what they are: a limit on them would break a snapshot's chain.
BOUNDED_ELSEWHERE = ("snapshot:{*}:deltas",)


def storable(name: str) -> bool:
    """Keys are bytes: one that is no text can't be a row, and no limit can name it. A pattern's * matches it all the
    same, at producers."""
    return 0 < len(name) <= LONGEST_NAME and "\0" not in name and not any("\ud800" <= sign <= "\udfff" for sign in name)


def bounded_elsewhere(stream: str) -> bool:
    return any(matches(pattern, stream) for pattern in BOUNDED_ELSEWHERE)


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
    wanted = {name for name in names if not bounded_elsewhere(name)}
    missing = wanted - set(Stream.objects.filter(name__in=wanted).values_list("name", flat=True)) if wanted else ()
    Stream.objects.bulk_create([Stream(name=name) for name in sorted(missing)], batch_size=500, ignore_conflicts=True)

"""Carries limits out of this console and into it: all of a document or none of it. Saves through services.edits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.db import transaction

from streams.engine.definitions import Definition, DefinitionError, DefinitionErrors, write_definitions
from streams.models import StreamLimit
from streams.services.edits import create_limit, delete_limit, told_together, update_limit


@dataclass(frozen=True, slots=True)
class Difference:
    """What an import does to one limit; `key` is its pattern, or that of a ceiling.

    `changes` is (field, old, new), old None where the limit is new.
    """

    key: str
    kind: Literal["delete", "create", "update"]
    changes: tuple[tuple[str, Any, Any], ...] = ()


class LimitsMoved(Exception):
    """Somebody changed limits after the differences were shown; nothing was imported."""


def export_limits(rows: Iterable[StreamLimit] | None = None, *, now: datetime) -> str:
    """Every limit, or these, as the document that `import_definitions` takes back."""
    return write_definitions(map(_defined, StreamLimit.objects.all() if rows is None else rows), now=now)


def compare_definitions(wanted: Sequence[Definition], *, prune: bool = False) -> tuple[Difference, ...]:
    """What importing `wanted` would do: with `prune` deletions first, of the limits that it does not name."""
    return _compare(StreamLimit.objects.all(), wanted, prune=prune)


def import_definitions(
    wanted: Sequence[Definition],
    *,
    shown: Sequence[Difference],
    prune: bool = False,
    user_id: int,
    now: datetime,
    accepted_loss: int = 0,
) -> None:
    """Does exactly the differences that were `shown`, in one transaction, each with its audit line; tells producers.

    Raises LimitsMoved where they are no longer the differences, and DefinitionErrors, also where a limit would take
    more from groups than `accepted_loss`; nothing is changed then.
    """
    with transaction.atomic(), told_together():
        rows = {row.rule.key: row for row in StreamLimit.objects.select_for_update().order_by("pk")}
        if _compare(rows.values(), wanted, prune=prune) != tuple(shown):
            raise LimitsMoved("Limits were edited meanwhile. Nothing was imported: look at the differences again.")
        for difference in shown:
            _apply(difference, rows.get(difference.key), user_id=user_id, now=now, accepted_loss=accepted_loss)


def _apply(difference: Difference, row: StreamLimit | None, *, user_id: int, now: datetime, accepted_loss: int) -> None:
    new = {name: value for name, _, value in difference.changes}
    try:
        if row is None:
            create_limit(StreamLimit(**new), user_id=user_id, now=now, accepted_loss=accepted_loss)
        elif difference.kind == "delete":
            delete_limit(row.pk, user_id=user_id, now=now, accepted_loss=accepted_loss)
        else:
            update_limit(row.pk, new, user_id=user_id, now=now, accepted_loss=accepted_loss)
    except ValidationError as error:
        raise DefinitionErrors(*(DefinitionError(difference.key, message) for message in error.messages)) from error


def _compare(rows: Iterable[StreamLimit], wanted: Sequence[Definition], *, prune: bool) -> tuple[Difference, ...]:
    there = {row.rule.key: _defined(row).values() for row in rows}
    named = {definition.rule.key: definition.values() for definition in wanted}
    differences = [Difference(key, "delete") for key in sorted(there.keys() - named.keys()) if prune]
    for key, values in sorted(named.items()):
        old = there.get(key)
        if old is None:
            changes = tuple((name, None, value) for name, value in values.items())
            differences.append(Difference(key, "create", changes))
        elif changes := tuple((name, old[name], new) for name, new in values.items() if old[name] != new):
            differences.append(Difference(key, "update", changes))
    return tuple(differences)


def _defined(row: StreamLimit) -> Definition:
    return Definition(row.rule, row.note)

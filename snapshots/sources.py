"""Functions that a snapshot may take its records from, by name. Calls none of them.

A policy names a registered function, and no import path: whoever may edit a policy may not call everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Source: TypeAlias = Callable[[], Mapping[str, Any] | list[Any]]

_sources: dict[str, Source] = {}


def register(name: str) -> Callable[[Source], Source]:
    """Decorates a function that returns symbol → record, or a list of records. Belongs in an app's `ready()`.

    It raises engine.source.SourceUnreadable where it has none; anything else is logged as a bug. Either is a failed
    build of the policies that name it, and the other snapshots are built.
    """

    def keep(function: Source) -> Source:
        _sources[name] = function
        return function

    return keep


def source(name: str) -> Source | None:
    return _sources.get(name)


def names() -> list[str]:
    return sorted(_sources)

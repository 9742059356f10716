"""The list of streams: found, sorted and paged by a glance at all of them; whole states of the page alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator

from streams.engine.nameless import NamelessFound
from streams.metrics.glance import WORST, Glance, known_streams, limited_streams, present, read_glances
from streams.metrics.summary import is_enforced, nameless_streams, read_enforcement, read_producers, rows_of
from streams.metrics.unmanaged import Unmanaged, unmanaged_streams
from streams.metrics.values import Producers, StreamRow
from streams.services import load_rules_and_ids
from tradeul_ops.connections import data_redis

PER_PAGE = 50
UNMANAGED_SHOWN = 20
UNKNOWN_LAST = -1
SAMPLED = ("bytes", "lag")


def _number(name: str) -> Callable[[Glance], Any]:
    return lambda glance: UNKNOWN_LAST if (value := getattr(glance, name)) is None else value


# Word in the address → (key, the larger first, whether a name and a length don't say it).
SORTS: dict[str, tuple[Callable[[Glance], Any], bool, bool]] = {
    "name": (lambda glance: glance.stream, False, False),
    "state": (lambda glance: WORST[glance.condition], False, True),
    "length": (_number("length"), True, False),
    "usage": (_number("usage_ratio"), True, True),
    "bytes": (_number("bytes"), True, True),
    "lag": (_number("lag"), True, True),
}


@dataclass(frozen=True, kw_only=True)
class StreamList(Producers):
    """A `page` of the `found` names, with the `rows` of it that are still there; `all`: limited streams there are.
    `unmanaged`: the first of those that no limit is for, and how many more there are.
    `nameless`: those whose key no limit can name.

    `unsampled`: of the found, those whose bytes or lag, by which this is sorted, nobody has sampled: they come last.
    """

    page: Page[str]
    rows: tuple[StreamRow, ...]
    found: int
    all: int
    unsampled: int
    unmanaged: tuple[Unmanaged, ...]
    more_unmanaged: int
    nameless: NamelessFound
    read_at: datetime


def list_streams(*, words: str = "", state: str = "", sort: str = "name", page: Any = 1, now: datetime) -> StreamList:
    """`words`: in the name; `state`: one of WORST, or any. Raises store.StoreUnavailable."""
    client, (rules, ids) = data_redis(), load_rules_and_ids()
    enforced = is_enforced(totals := read_enforcement(), now)
    limited, unmanaged = limited_streams(known_streams(rules, now=now), rules=rules)
    key, descending, judged = SORTS[sort]
    asked = [pair for pair in limited if words.lower() in pair[0].name.lower()]
    if sort == "name" and not state:
        found, unsampled = [one.name for one, _ in present(client, asked)], 0
    else:
        glances = read_glances(client, asked, ids=ids, judged=judged or bool(state), enforced=enforced, now=now)
        glances = [glance for glance in glances if state in ("", glance.condition)]
        found = [glance.stream for glance in sorted(glances, key=key, reverse=descending)]
        unsampled = sum(bool(glance.length) and getattr(glance, sort) is None for glance in glances if sort in SAMPLED)
    loose = [one.name for one in unmanaged if one.seen]
    shown = Paginator(found, PER_PAGE).get_page(page)
    known = {one.name: one for one, _ in limited}
    rows = rows_of(shown, rules=rules, ids=ids, enforced=enforced, known=known, now=now)
    return StreamList(
        page=shown,
        rows=tuple(rows[name] for name in shown if name in rows),
        found=len(found),
        all=len(limited),
        unsampled=unsampled,
        unmanaged=unmanaged_streams(loose[:UNMANAGED_SHOWN], now=now),
        more_unmanaged=len(loose[UNMANAGED_SHOWN:]),
        nameless=nameless_streams(totals, now),
        read_at=now,
        **read_producers(client),
    )


def glance_at_all(*, now: datetime) -> list[Glance]:
    """Every limited stream that is there, judged, by name. Raises store.StoreUnavailable."""
    rules, ids = load_rules_and_ids()
    limited, _ = limited_streams(known_streams(rules, now=now), rules=rules)
    enforced = is_enforced(read_enforcement(), now)
    return read_glances(data_redis(), limited, ids=ids, judged=True, enforced=enforced, now=now)

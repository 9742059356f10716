"""The list of streams as the address asks for it: filtered, sorted, a page of it. Reads nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import QueryDict
from django.utils.translation import gettext_lazy

from streams.metrics import StreamRow

PER_PAGE = 100
WORST = {"over": 0, "unknown": 1, "attention": 2, "within": 3}
UNKNOWN_LAST = -1


def _lag(row: StreamRow) -> int:
    """The largest that is known."""
    return max((group.lag for group in row.groups if group.lag is not None), default=UNKNOWN_LAST)


# Word in the address → (heading, key, the larger first).
SORTS: dict[str, tuple[str, Callable[[StreamRow], Any], bool]] = {
    "name": (gettext_lazy("name"), lambda row: row.stream, False),
    "state": (gettext_lazy("worst first"), lambda row: WORST[row.condition], False),
    "length": (
        gettext_lazy("length"),
        lambda row: UNKNOWN_LAST if row.length is None else row.length,
        True,
    ),
    "usage": (
        gettext_lazy("share of its limit"),
        lambda row: UNKNOWN_LAST if row.usage_ratio is None else row.usage_ratio,
        True,
    ),
    "bytes": (gettext_lazy("bytes"), lambda row: UNKNOWN_LAST if row.bytes is None else row.bytes, True),
    "lag": (gettext_lazy("largest lag"), _lag, True),
}


@dataclass(frozen=True)
class Listing:
    """`page` of the `found` rows among `all`; what was not understood in the address is as if it were not there."""

    page: Page[StreamRow]
    found: int
    all: int
    words: str
    state: str
    sort: str

    @property
    def sorts(self) -> list[tuple[str, str]]:
        return [(word, heading) for word, (heading, _, _) in SORTS.items()]

    @property
    def states(self) -> list[str]:
        return list(WORST)


def listing(rows: Sequence[StreamRow], query: QueryDict) -> Listing:
    words, state, sort = query.get("q", "").strip(), query.get("state", ""), query.get("sort", "name")
    state, sort = state if state in WORST else "", sort if sort in SORTS else "name"
    found = [row for row in rows if words.lower() in row.stream.lower() and state in ("", row.condition)]
    _, key, descending = SORTS[sort]
    found = sorted(sorted(found, key=SORTS["name"][1]), key=key, reverse=descending)
    page = Paginator(found, PER_PAGE).get_page(query.get("page"))
    return Listing(page, len(found), len(rows), words, state, sort)

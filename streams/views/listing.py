"""The list of streams as the address asks for it: what was not understood there is as if it were not said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from streams.metrics import SORTS, WORST, StreamList, list_streams

HEADINGS: dict[str, Promise] = {
    "name": gettext_lazy("name"),
    "state": gettext_lazy("worst first"),
    "length": gettext_lazy("length"),
    "usage": gettext_lazy("share of its limit"),
    "bytes": gettext_lazy("bytes"),
    "lag": gettext_lazy("largest lag"),
}


@dataclass(frozen=True)
class Asked:
    words: str
    state: str
    sort: str
    page: str | None

    @property
    def sorts(self) -> list[tuple[str, Promise]]:
        return list(HEADINGS.items())

    @property
    def states(self) -> list[str]:
        return list(WORST)

    @property
    def filtered(self) -> bool:
        return bool(self.words or self.state)


def asked_for(query: QueryDict) -> Asked:
    words, state, sort = query.get("q", "").strip(), query.get("state", ""), query.get("sort", "name")
    return Asked(words, state if state in WORST else "", sort if sort in SORTS else "name", query.get("page"))


def listing(asked: Asked, *, now: datetime) -> StreamList:
    """Raises StoreError."""
    return list_streams(words=asked.words, state=asked.state, sort=asked.sort, page=asked.page, now=now)

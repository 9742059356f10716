"""?explain=streams.length&of=name on any page: the page's own statements, and which of them made that figure.

A page is read as ever, with a list open that keeps its round trips; nothing is asked a second time for it.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from streams import lua
from tradeul_ops.console.explanations import EXPLANATIONS, Explanation
from tradeul_ops.readings import Reading, recording

# Who asks and what he may, and what only frames a query: no figure is made of these.
NO_FIGURE = ("auth_", "django_session", "django_content_type", "axes_", "SAVEPOINT", "set_config(")
LONGEST_WORD = 200  # of a command
MOST_SHOWN = 100  # statements


@dataclass(frozen=True)
class Asked:
    """A statement as a person would type it. `together`: how many went in the same round trip, which took `took_ms`."""

    server: str
    node: str
    text: str
    script: str
    at: datetime
    took_ms: float
    together: int


@dataclass(frozen=True)
class Explained:
    """`name` as in EXPLANATIONS; `of` a stream, or empty. Its statements are those made so far."""

    name: str
    of: str
    readings: list[Reading]

    @property
    def about(self) -> Explanation:
        return EXPLANATIONS[self.name]

    @property
    def asked(self) -> list[Asked]:
        found = (one for reading in self.readings for one in self._of(reading))
        return [one for one, _ in zip(found, range(MOST_SHOWN), strict=False)]

    @property
    def commands(self) -> list[str]:
        """Whole lines for a shell; those about a stream where one is meant."""
        node = next((reading.node for reading in self.readings if reading.server == "Redis"), "")
        asked = [command for command in self.about.commands if self.of or "{of}" not in command]
        return [f"{_client(node)} {command.format(of=shlex.quote(self.of))}" for command in asked if node]

    @property
    def took_ms(self) -> float:
        """Of all round trips of the page, one after the other."""
        return sum(reading.took_ms for reading in self.readings)

    def _of(self, reading: Reading) -> Iterator[Asked]:
        for words in reading.statements:
            script = _script(words) if reading.server == "Redis" else ""
            text = _command(words, reading.node) if reading.server == "Redis" else _sql(*words)
            said = f"{text} {script}"
            if any(word in text for word in NO_FIGURE) or not self._wanted(said, words, script):
                continue
            together = len(reading.statements)
            yield Asked(reading.server, reading.node, text, script, reading.at, reading.took_ms, together)

    def _wanted(self, said: str, words: Sequence[Any], script: str) -> bool:
        if self.about.made_of and not any(word in said for word in self.about.made_of):
            return False
        return not (self.of and script) or self.of in (_word(word) for word in words)


def explain(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Stands behind the middleware that finds out who asks: that must be known before the list is opened."""

    def middleware(request: HttpRequest) -> HttpResponse:
        name = request.GET.get("explain", "")
        if name not in EXPLANATIONS or request.method != "GET" or not request.user.is_authenticated:
            return get_response(request)
        with recording() as readings:
            explained = Explained(name, request.GET.get("of", ""), readings)
            request.explained = explained  # type: ignore[attr-defined]  # base.html shows it beside the page
            response = get_response(request)
            if request.htmx and response.status_code == 200:  # type: ignore[attr-defined]
                return render(request, "_explain.html", {"explained": explained})
            return response

    return middleware


def _client(node: str) -> str:
    where, _, number = node.partition("/")
    host, _, port = where.partition(",")[0].rpartition(":")
    return f"redis-cli -h {host} -p {port}" + (f" -n {number}" if number not in ("", "0") else "")


def _command(words: Sequence[Any], node: str) -> str:
    return " ".join((_client(node), *(_quoted(word) for word in _split(words))))


def _split(words: Sequence[Any]) -> Iterator[Any]:
    """redis-py sends MEMORY USAGE as one word."""
    first, *rest = words
    yield from str(first).split(" ")
    yield from rest


def _quoted(word: Any) -> str:
    text = _word(word)
    return shlex.quote(text if len(text) <= LONGEST_WORD else f"{text[:LONGEST_WORD]}…")


def _word(word: Any) -> str:
    return word.decode("utf-8", "backslashreplace") if isinstance(word, bytes) else str(word)


def _sql(sql: Any, params: Any) -> str:
    """With its values in place, as psql takes it."""
    operations: Any = connection.ops  # PostgreSQL's alone has compose_sql
    return dedent(str(operations.compose_sql(sql, params or None))).strip()


def _script(words: Sequence[Any]) -> str:
    return _scripts().get(_word(words[1]), "") if words[0] == "EVALSHA" else ""


@functools.cache
def _scripts() -> dict[str, str]:
    """sha → file name."""
    return {lua.script(path.stem).sha: path.name for path in Path(lua.__file__).parent.glob("*.lua")}

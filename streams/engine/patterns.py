"""Patterns: which streams a limit is for. Matches names, and asks no server.

The dialect is Redis's own, of KEYS and SCAN MATCH: `*` any run of characters, `?` one, `[abc]`, `[a-z]`, `[^a]`, and
a backslash before a character that stands for itself. Without any of these it is exact: the key of that name.
"""

from __future__ import annotations

import re
from functools import lru_cache

MOST_STARS = 8  # each one more multiplies the time that a long name takes


class PatternError(ValueError):
    """A pattern that does not say what its writer may think; the message says how to write it."""


def escape(stream: str) -> str:
    """The exact pattern of that one stream."""
    return re.sub(r"[*?\[\\]", lambda found: "\\" + found[0], stream)


@lru_cache(maxsize=10_000)
def literal_name(pattern: str) -> str | None:
    """The one stream that an exact pattern names; None for one with wildcards."""
    name, place = "", 0
    while place < len(pattern):
        sign = pattern[place]
        if sign in "*?[":
            return None
        if sign == "\\" and place + 1 < len(pattern):
            place += 1
            sign = pattern[place]
        name, place = name + sign, place + 1
    return name


@lru_cache(maxsize=10_000)
def literal_prefix(pattern: str) -> str:
    """What every match begins with: up to the first wildcard."""
    found = re.match(r"(?:[^*?\[\\]|\\.)*", pattern, re.DOTALL)
    return re.sub(r"\\(.)", r"\1", found[0] if found else "", flags=re.DOTALL)


def check_pattern(pattern: str) -> None:
    """Raises PatternError for one that a server reads in a surprising way, and for a second spelling of one name."""
    if not pattern:
        raise PatternError("pattern must not be empty.")
    if re.search(r"(?<!\\)(?:\\\\)*\\$", pattern):
        raise PatternError(r"pattern must not end with a single \: it escapes nothing.")
    name = literal_name(pattern)
    if name is not None and escape(name) != pattern:
        raise PatternError(f"pattern names one stream, and is then written {escape(name)}.")
    if name is None:
        _check_brackets(pattern)
        if len(re.findall(r"\*+", pattern)) > MOST_STARS:
            raise PatternError(f"pattern has more than {MOST_STARS} *.")


def _check_brackets(pattern: str) -> None:
    place = 0
    while place < len(pattern):
        if pattern[place] == "\\":
            place += 2
        elif pattern[place] == "[":
            end = _end_of_set(pattern, place)
            if end is None:
                raise PatternError(r"pattern has a [ without its ]; for the character itself write \[.")
            if end == place + 1 or pattern[place + 1 : end] == "^":
                raise PatternError("pattern has an empty []: it matches nothing.")
            _check_ranges(pattern[place + 1 : end])
            place = end + 1
        else:
            place += 1


def _check_ranges(inside: str) -> None:
    """A server takes what stands behind `x-` for the end of a range, also a backslash, or the ] that was to close."""
    if not inside.isascii():
        raise PatternError("pattern has a character in its [] that is no ASCII: a server compares bytes there.")
    place = int(inside.startswith("^"))
    while place < len(inside):
        if inside[place] == "\\":
            place += 2
        elif inside[place + 1 : place + 2] == "-":
            if inside[place + 2 : place + 3] in ("", "\\"):
                raise PatternError(r"pattern has a - without an end in its []; for the character itself write \-.")
            place += 3
        else:
            place += 1


def _end_of_set(pattern: str, start: int) -> int | None:
    place = start + 1
    while place < len(pattern):
        if pattern[place] == "\\":
            place += 1
        elif pattern[place] == "]":
            return place
        place += 1
    return None


def matches(pattern: str, stream: str) -> bool:
    """By bytes, as the server does: `?` is half of an é."""
    return _compiled(_as_bytes(pattern)).fullmatch(_as_bytes(stream)) is not None


def _as_bytes(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


@lru_cache(maxsize=10_000)
def _compiled(pattern: str) -> re.Pattern[str]:
    """As the server's stringmatchlen reads it: in a set a `]` closes, and a range may be written backwards."""
    written, place = "", 0
    while place < len(pattern):
        sign = pattern[place]
        if sign == "*":
            written += ".*"
        elif sign == "?":
            written += "."
        elif sign == "[":
            end = _end_of_set(pattern, place)
            written += _set(pattern[place + 1 : end])
            place = len(pattern) if end is None else end
        else:
            if sign == "\\" and place + 1 < len(pattern):
                place += 1
            written += re.escape(pattern[place])
        place += 1
    return re.compile(_atomic(re.split(r"(?:\.\*)+", written)), re.DOTALL)


def _atomic(pieces: list[str]) -> str:
    """What stands between the stars, each found as early as it can be and never again: no name takes long to refuse."""
    if len(pieces) == 1:
        return pieces[0]
    first, *between, last = pieces
    return "".join([first, *(f"(?>.*?{piece})" for piece in between), ".*", last])


def _set(inside: str) -> str:
    negated = inside.startswith("^")
    parts, place = [], int(negated)
    while place < len(inside):
        if inside[place] == "\\" and place + 1 < len(inside):
            place += 1
            parts.append(re.escape(inside[place]))
        elif place + 2 < len(inside) and inside[place + 1] == "-":
            low, high = sorted((inside[place], inside[place + 2]))
            parts.append(f"{re.escape(low)}-{re.escape(high)}")
            place += 2
        else:
            parts.append(re.escape(inside[place]))
        place += 1
    if not parts:
        return "." if negated else r"(?!)"
    return f"[{'^' if negated else ''}{''.join(parts)}]"

"""What a careless or hostile sender may put in a place: JSON that is nearly right, text that is no name, bytes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NUMBERS = (0, -1, 1, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63), 10**30, 10**400, 0.1, -0.0, 1e308, 5e-324)
WORDS = (
    "",
    " ",
    "0",
    "-1",
    "1",
    "1000",
    "9" * 25,
    "1e999",
    "nan",
    "inf",
    "٣",
    "²",
    "1 00:00:00",
    "P1D",
    "3 days",
    "00:00:00.000001",
    "999999999 days",
    "2026-03-09T14:30",
    "0001-01-01",
    "true",
    "on",
    "null",
    "None",
    "..",
    "../../etc/passwd",
    "a/b?c#d%00",
    "\x00",
    "\r\nSet-Cookie: a=b",
    "<script>alert(1)</script>",
    "{{ 7|add:7 }}",
    "'; DROP TABLE scan_results; --",
    '"; --',
    "symbol, time DESC; --",
    "*",
    "[",
    "[^a",
    "\\",
    "\ufeff",
    "\u202eevil",
    "👾" * 3,
    "x" * 5000,
)

texts = st.one_of(st.sampled_from(WORDS), st.text(max_size=40))
numbers = st.one_of(st.sampled_from(NUMBERS), st.integers(), st.floats(allow_nan=False, allow_infinity=False, width=64))
leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(texts, inner, max_size=5)),
    max_leaves=8,
)


fractions = st.floats(0, 1, exclude_max=True)


def one_of(draw: Any, things: Any) -> Any:
    """What is drawn does not depend on how many there are, which may differ from run to run."""
    return things[int(draw(fractions) * len(things))]


def changed(draw: Any, value: Any) -> Any:
    """The same JSON with one thing in it replaced, dropped, repeated or added."""
    places = list(_places(value))
    whole, which = draw(st.integers(0, 15)) == 0, draw(fractions)
    if not places or whole:
        return draw(anything)
    holder, key = places[int(which * len(places))]
    what = draw(st.sampled_from(("replace", "drop", "repeat", "add")))
    if what == "drop":
        del holder[key]
    elif what == "replace":
        holder[key] = draw(anything)
    elif isinstance(holder, list):
        holder.insert(key, holder[key] if what == "repeat" else draw(anything))
    else:
        holder[draw(texts)] = holder[key] if what == "repeat" else draw(anything)
    return value


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield value, key
        yield from _places(item)


def bent(draw: Any, raw: bytes) -> bytes:
    """The same bytes with some of them turned, cut away or written twice."""
    some = bytearray(raw)
    for _ in range(draw(st.integers(1, 4))):
        at = int(draw(fractions) * len(some))
        what = draw(st.sampled_from(("turn", "cut", "twice", "end")))
        if what == "turn" and some:
            some[at] ^= 1 << draw(st.integers(0, 7))
        elif what == "cut":
            del some[at : at + draw(st.integers(1, 8))]
        elif what == "twice":
            some[at:at] = some[at : at + draw(st.integers(1, 64))]
        else:
            del some[at:]
    return bytes(some)

"""Builds the arguments of XADD from limits. Sends nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from streams.engine.limits import LARGEST, Limit
from streams.producer._values import PLAIN, sendable
from streams.producer.errors import InvalidField

logger = logging.getLogger(__name__)

Options = tuple[bytes, ...]  # as they are sent: redis-py encodes a word in Python at every add otherwise
Stream = str | bytes
Fields = Mapping[Any, Any]

NO_LIMIT: Options = ()
# Plain `~` takes 10,000 entries off a long stream in the one XADD that comes first after an edit (15 ms); with LIMIT it
# is 1.4 ms at the worst, and a hundred adds until the stream is at its cap. Once it is, LIMIT has nothing to spare
# anybody and is left out: two words less to pack, 2 % of a pipelined call.
REMOVED_PER_ADD = 500
# In pipelines every tenth entry of a stream carries an approximate limit: a tenth of its cost, up to nine entries more,
# and a stream that is too long still shrinks by fifty entries for each added.
CARRIES = 10
_CAP = 2  # where the number stands in the options


def options_of(limit: Limit | None, *, unmatched_maxlen: int | None = None) -> Options:
    """`unmatched_maxlen`: for a stream that has no limit. A limit that is switched off is one."""
    if limit is None:
        return NO_LIMIT if unmatched_maxlen is None else _approximate(unmatched_maxlen)
    maxlen = limit.producer_maxlen
    if maxlen is None:
        return NO_LIMIT
    return _approximate(maxlen) if limit.approximate else _exact(maxlen)


class Slot:
    """What xadd needs of a stream. `adds` may miss a few where threads add to the same stream at the same moment.

    `carries`: of how many entries in a pipeline one carries `options`. `protected`: the cap is the ceiling of groups
    that are protected below it. `settling`: the stream may be far above its cap, as after an edit.
    """

    __slots__ = ("adds", "carries", "options", "protected", "settling", "warned")

    def __init__(self, limit: Limit | None, *, unmatched_maxlen: int | None) -> None:
        self.adds = 0
        self.warned = False
        self.obey(limit, unmatched_maxlen=unmatched_maxlen)

    def obey(self, limit: Limit | None, *, unmatched_maxlen: int | None) -> None:
        self.options = options_of(limit, unmatched_maxlen=unmatched_maxlen)
        self.protected = limit is not None and limit.enabled and limit.protect_groups
        self.settling = b"LIMIT" in self.options
        self.carries = CARRIES if self.settling else 1

    def settle(self, length: int) -> None:
        if self.settling and length <= int(self.options[_CAP]) + REMOVED_PER_ADD:
            self.options, self.settling = self.options[: _CAP + 1], False


class Slots(dict[Stream, Slot]):
    """Stream → slot; one that is asked for the first time is made by `first_use`. A lookup costs what a dict's does."""

    def __init__(self, first_use: Callable[[Stream], Slot]) -> None:
        super().__init__()
        self._first_use = first_use

    def __missing__(self, stream: Stream) -> Slot:
        return self._first_use(stream)


def command(stream: Stream, slot: Slot, data: Fields, options: Options, id: str | bytes = b"*") -> list[Any]:
    """XADD's words. Raises InvalidField for what can't be sent."""
    if not data:
        raise InvalidField(f"An entry of {stream!r} needs a field.")
    words = ["XADD", stream, *options, id]
    for pair in data.items():
        kind = type(pair[1])
        if kind is not str and kind not in PLAIN:
            pair = (pair[0], sendable(pair[1], field=pair[0], stream=stream))
        words += pair
    slot.adds += 1
    return words


def batch_commands(stream: Stream, slot: Slot, entries: Sequence[Fields]) -> Iterator[list[Any]]:
    """XADD's words for each entry, to be sent together."""
    last = len(entries) - 1
    for number, data in enumerate(entries):
        carries = number % slot.carries == 0 or number == last
        yield command(stream, slot, data, slot.options if carries else NO_LIMIT)


def tightened(stream: Stream, slot: Slot, maxlen: int) -> Options:
    """The slot's options, or under a smaller `maxlen` the same with that. Raises ValueError for one that is none."""
    if type(maxlen) is not int or not 1 <= maxlen <= LARGEST:
        raise ValueError(f"maxlen of an entry of {stream!r} must be a whole number from 1 to {LARGEST:,}: {maxlen!r}.")
    options = slot.options
    if not options:
        return _approximate(maxlen)
    if int(options[_CAP]) <= maxlen:
        return options
    if slot.protected and not slot.warned:
        slot.warned = True
        logger.warning(
            "%r is added to with maxlen=%d, below its ceiling of %d: groups may lose entries that they have not read.",
            stream,
            maxlen,
            int(options[_CAP]),
        )
    return _approximate(maxlen) if b"~" in options else _exact(maxlen)


def _approximate(maxlen: int) -> Options:
    return (b"MAXLEN", b"~", b"%d" % maxlen, b"LIMIT", b"%d" % REMOVED_PER_ADD)


def _exact(maxlen: int) -> Options:
    return (b"MAXLEN", b"=", b"%d" % maxlen)

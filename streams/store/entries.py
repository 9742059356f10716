"""Reads a page of a stream's entries, bounded in entries and in bytes. Writes none."""

from __future__ import annotations

from streams.engine.entries import LARGEST_SHOWN, EntryPage, entry_from_reply
from streams.engine.ids import EntryId
from streams.lua import script
from streams.store.server import Client, run, translated

PAGE = 50
BYTES_TOUCHED = 2_000_000  # a page ends with the entry that passes this; up to as much again is sent of it
FIELDS_SHOWN = 50


def read_entries(
    client: Client, stream: str, *, before: EntryId | None = None, after: EntryId | None = None
) -> EntryPage:
    """The newest entries; those next older than `before`; or those next newer than `after`. Empty for no stream."""
    forward = after is not None
    command = "XRANGE" if forward else "XREVRANGE"
    start = f"({after}" if after else f"({before}" if before else "+"
    limits = (PAGE, BYTES_TOUCHED, FIELDS_SHOWN, LARGEST_SHOWN)
    with translated(stream):
        if before == EntryId(0, 0):  # nothing is older, and the server calls the interval invalid
            return EntryPage((), older=None, newer=str(before))
        found, more = run(
            client,
            script("read_entries"),
            keys=(stream,),
            args=(command, start, "+" if forward else "-", *limits),
        )
    entries = tuple(entry_from_reply(reply) for reply in (reversed(found) if forward else found))
    return EntryPage(
        entries=entries,
        older=_older(entries[-1].id if entries else None, forward, after, more),
        newer=(entries[0].id if entries else None) if (more if forward else before is not None) else None,
    )


def _older(last: str | None, forward: bool, after: EntryId | None, more: int) -> str | None:
    if not forward:
        return last if more else None
    return last if after != EntryId(0, 0) else None

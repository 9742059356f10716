"""Names a snapshot's keys in Redis. Opens none of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"

# Where readers of the guide look; written next to the snapshot's own keys, and outside its cluster slot.
ALIAS_FULL = "snapshot:full:latest"
ALIAS_DELTA = "snapshot:delta:latest"


@dataclass(frozen=True)
class Keys:
    """All in one cluster slot. `full`: the newest full; `deltas`: a stream, its ids `sequence-0`; `head`: a hash that
    says where the chain stands; `lease`: who may write."""

    full: str
    deltas: str
    head: str
    lease: str


def keys_of(name: str) -> Keys:
    """Raises ValueError for a name that makes no key."""
    if not re.match(NAME_PATTERN, name):
        raise ValueError(f"{name!r} is no snapshot name: letters, digits, dot, dash and underscore, 64 at most.")
    return Keys(*(f"snapshot:{{{name}}}:{part}" for part in ("full", "deltas", "head", "lease")))


def is_chain(stream: str) -> bool:
    """Whether it is the stream of a snapshot's deltas, which whoever publishes bounds with each full."""
    found = re.fullmatch(r"snapshot:\{(.+)\}:deltas", stream)
    return found is not None and re.match(NAME_PATTERN, found[1]) is not None

"""Gives the memory that was freed back to the system. Frees none itself."""

from __future__ import annotations

import ctypes
from collections.abc import Callable


def _malloc_trim() -> Callable[[int], int] | None:
    """glibc's; other C libraries have none."""
    try:
        found = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    found.argtypes, found.restype = [ctypes.c_size_t], ctypes.c_int
    return found


_trim = _malloc_trim()


def give_back() -> None:
    """What glibc keeps of each thread's arena. Takes up to a millisecond; does nothing without glibc.

    Of 22 MB by which a worker of four threads grew in 200 s, 20 were free in its arenas: each keeps the most that its
    thread ever had. What was in use stood still: 27 to 29 MB, and as many Python objects at the end as before.
    """
    if _trim is not None:
        _trim(0)

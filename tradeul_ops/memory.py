"""Lets a process hold the memory that it uses, and not what each of its threads once used. Frees none itself."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

M_ARENA_MAX = -8  # of glibc's malloc.h


@functools.cache
def _glibc() -> Any:
    """None with other C libraries, which have neither call."""
    try:
        library = ctypes.CDLL(None)
        library.mallopt.argtypes, library.mallopt.restype = [ctypes.c_int, ctypes.c_int], ctypes.c_int
        library.malloc_trim.argtypes, library.malloc_trim.restype = [ctypes.c_size_t], ctypes.c_int
    except (AttributeError, OSError):
        return None
    return library


def share_one_arena() -> None:
    """For a process that has no threads yet. Does nothing without glibc.

    glibc gives each thread an arena of its own, from which it can give back whole pages only; what a long-lived block
    of 50 bytes lies on stays, in each of them. Threads of Python, of which one runs at a time, gain nothing by that.
    """
    if (library := _glibc()) is not None:
        library.mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """What glibc keeps of what was freed. Takes up to a millisecond; does nothing without glibc."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)

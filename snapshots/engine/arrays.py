"""Numbers of Python to arrays and back, exactly. Knows nothing of cells that are no numbers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from snapshots.engine.cells import SAFE

Rows: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Doubles: TypeAlias = npt.NDArray[np.float64]


def doubles_of(numbers: Sequence[Any]) -> Doubles:
    """Raises TypeError for what is no number, OverflowError for an integer beyond all doubles."""
    return np.frombuffer(_packed(numbers, "d"), np.float64)


def integers_of(numbers: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Raises TypeError for what is no integer of 64 bits."""
    return np.frombuffer(_packed(numbers, "q"), np.int64)


def _packed(numbers: Sequence[Any], code: str) -> bytes:
    """As `array` does it, in a quarter of the time."""
    try:
        return struct.pack(f"{len(numbers)}{code}", *numbers)
    except struct.error as error:
        raise TypeError(str(error)) from None


def python_numbers(doubles: Doubles) -> list[Any]:
    """Whole ones up to ±SAFE as int."""
    whole = (doubles == np.rint(doubles)) & (np.abs(doubles) <= SAFE)
    found: list[Any] = (doubles.astype(np.int64) if whole.all() else doubles).tolist()
    if whole.all():
        return found
    for at in np.flatnonzero(whole).tolist():
        found[at] = int(found[at])
    return found

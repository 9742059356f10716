"""Turns values that redis-py refuses into text, by one rule, or refuses them with the field's name. Sends nothing.

What redis-py sends stays as redis-py sends it. Of the rest, a value with a customary text (datetime, Decimal, UUID) is
that text, and what JSON knows (dict, list, tuple, bool, None) is JSON.
"""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from streams.producer.errors import InvalidField

# Exactly these: True is an int, and a numpy.float64 a float that would arrive as "np.float64(1.5)".
PLAIN = frozenset({str, bytes, bytearray, memoryview, int, float})


def sendable(value: Any, *, field: Any, stream: str | bytes) -> str | bytes | int | float:
    """What is sent for a value of no plain type. Raises InvalidField, which names the field and the stream."""
    if value is None or isinstance(value, bool | dict | list | tuple):
        try:
            return json.dumps(value, default=_text, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidField(f"The field {field!r} of {stream!r} can't be written as JSON: {error}") from error
    # Subclasses: an enumeration's member is its value.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes):
        return bytes(value)
    try:
        return _text(value)
    except TypeError as error:
        raise InvalidField(
            f"The field {field!r} of {stream!r} is of type {type(value).__name__}, which has no text that "
            f"a consumer could rely on: convert it first."
        ) from error


def _text(value: Any) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    raise TypeError(f"it holds a {type(value).__name__}")

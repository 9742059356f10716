"""How dicts and lists are written in a COPY: what rows of a cycle say again and again is put into words once."""

from __future__ import annotations

import json
from typing import Any

import orjson
from psycopg.abc import AdaptContext, Buffer, DumperKey, PyFormat
from psycopg.types.array import ListDumper
from psycopg.types.json import JsonbDumper

REMEMBERED = 1_000  # lists of one call


def register(context: AdaptContext) -> None:
    """On a cursor of the call's own: the caller's connection goes on writing as it did."""
    context.adapters.register_dumper(dict, Json)
    context.adapters.register_dumper(list, Array)


def _dumps(value: Any) -> bytes:
    """orjson's words, a sixth of json's time; what it doesn't take (keys of other types, huge integers) json may."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()


class Json(JsonbDumper):
    """A dict as jsonb. NaN and the infinities, which JSON has no words for, become null."""

    _dumps = staticmethod(_dumps)


class Array(ListDumper):
    """A list as an array. psycopg looks for the array's type in each list's elements, which COPY doesn't ask for."""

    def __init__(self, cls: type, context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)
        self._any = ListDumper(cls, context)
        self._said: dict[tuple[str, ...], Buffer | None] = {}

    def get_key(self, obj: list[Any], format: PyFormat) -> DumperKey:
        return self.cls

    def upgrade(self, obj: list[Any], format: PyFormat) -> Array:
        return self

    def dump(self, obj: list[Any]) -> Buffer | None:
        if set(map(type, obj)) != {str}:  # of other types equal is not the same: 1 and True, 1.0 and 1.00
            return self._any.upgrade(obj, PyFormat.TEXT).dump(obj)
        key = tuple(obj)
        if (said := self._said.get(key)) is None:
            if len(self._said) >= REMEMBERED:
                self._said.clear()
            said = self._said[key] = self._any.upgrade(obj, PyFormat.TEXT).dump(obj)
        return said

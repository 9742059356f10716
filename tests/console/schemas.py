"""Checks a JSON value against a JSON Schema: the words that our own schema uses, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
TOLD = {"$schema", "$id", "title", "description"}
CHECKED = {"type", "properties", "required", "additionalProperties", "items", "oneOf", "enum"}
CHECKED |= {"minimum", "pattern", "format"}


def wrong(value: Any, schema: dict[str, Any], where: str = "$") -> Iterator[str]:
    """A sentence for each thing that does not fit."""
    assert schema.keys() <= TOLD | CHECKED, f"{where}: {schema.keys() - TOLD - CHECKED} is not checked"
    if "oneOf" in schema:
        tries = [list(wrong(value, one, where)) for one in schema["oneOf"]]
        if sum(not found for found in tries) != 1:
            yield from max(tries, key=len)
        return
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(_is(value, kind) for kind in kinds):
        yield f"{where}: {value!r} is no {' or '.join(kinds)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{where}: {value!r} does not match {schema['pattern']}"
        if schema.get("format") == "date-time" and datetime.fromisoformat(value).tzinfo is None:
            yield f"{where}: {value!r} has no offset"
    if "minimum" in schema and _is(value, "number") and value < schema["minimum"]:
        yield f"{where}: {value!r} is below {schema['minimum']}"
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from wrong(one, schema["items"], f"{where}[{number}]")
    if isinstance(value, dict):
        known, more = schema.get("properties", {}), schema.get("additionalProperties", False)
        yield from (f"{where}: {name} is missing" for name in schema.get("required", ()) if name not in value)
        for name, one in value.items():
            if name in known:
                yield from wrong(one, known[name], f"{where}.{name}")
            elif more is False:
                yield f"{where}: {name} is not documented"
            else:
                yield from wrong(one, more, f"{where}.{name}")


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))

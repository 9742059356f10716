"""Limits as one document: written, and read back with everything that is wrong with it. Saves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from streams.engine.limits import BOUNDING, JUDGED, bounds_errors
from streams.engine.rules import CEILING, Rule, pattern_error, rule_errors

VERSION = 1
LONGEST_NAME = 512  # characters; the column's


@dataclass(frozen=True, slots=True)
class Definition:
    """One limit with all that an operator edits."""

    rule: Rule
    note: str

    def values(self) -> dict[str, Any]:
        return {name: self.note if name == "note" else getattr(self.rule, name) for name in READERS}


@dataclass(frozen=True, slots=True)
class DefinitionError:
    """`where` is the pattern, or the limit's place in the document; the message names the field."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class DefinitionErrors(ValueError):
    """A document that can't be taken, with everything that is wrong with it."""

    def __init__(self, *errors: DefinitionError) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors


def write_definitions(definitions: Iterable[Definition], *, now: datetime) -> str:
    """The document, limits in the order of their patterns: the same limits are the same text, but for `exported_at`."""
    limits = [
        {name: _plain(value) for name, value in definition.values().items()}
        for definition in sorted(definitions, key=lambda definition: definition.rule.key)
    ]
    document = {"version": VERSION, "exported_at": now.isoformat(), "limits": limits}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read_definitions(document: bytes) -> tuple[Definition, ...]:
    """Raises DefinitionErrors with every error there is, not the first."""
    limits = _limits_of(document)
    errors: list[DefinitionError] = []
    definitions: list[Definition] = []
    names: set[str] = set()
    for place, said in enumerate(limits, start=1):
        definition, wrong = _read_one(said)
        key = _key_of(said)
        where = key or f"limit {place}"
        errors += (DefinitionError(where, message) for message in wrong)
        if key in names:
            errors.append(DefinitionError(where, "pattern is defined twice."))
        if key:
            names.add(key)
        if definition:
            definitions.append(definition)
    if errors:
        raise DefinitionErrors(*errors)
    return tuple(definitions)


def _key_of(said: Any) -> str | None:
    pattern = said.get("pattern") if isinstance(said, Mapping) else None
    if not isinstance(pattern, str) or not pattern:
        return None
    return f"{CEILING}{pattern}" if said.get("is_ceiling") is True else pattern


def _limits_of(document: bytes) -> list[Any]:
    try:
        said = json.loads(document, object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError) as error:
        raise DefinitionErrors(DefinitionError("document", f"is not JSON that can be read: {error}.")) from error
    if not isinstance(said, dict) or not isinstance(said.get("limits"), list):
        raise DefinitionErrors(DefinitionError("document", "must be an object with version and a list of limits."))
    if type(said.get("version")) is not int or said["version"] != VERSION:
        raise DefinitionErrors(DefinitionError("document", f"version must be {VERSION}, not {said.get('version')!r}."))
    limits: list[Any] = said["limits"]
    return limits


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(pairs)
    if len(said) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"{', '.join(twice)} stands twice in one object of pattern {said.get('pattern')!r}")
    return said


def _read_one(said: Any) -> tuple[Definition | None, list[str]]:
    """The definition, or what is wrong with it."""
    if not isinstance(said, Mapping):
        return None, ["must be an object."]
    wrong = {name: f"{name} is no field of a limit." for name in said if name not in READERS}
    values: dict[str, Any] = dict.fromkeys(READERS)
    for name, read in READERS.items():
        if name not in said:
            wrong[name] = f"{name} is missing."
            continue
        try:
            values[name] = read(said[name])
        except (ValueError, OverflowError) as error:
            wrong[name] = f"{name} must be {error}, not {_shown(said[name])}."
    if wrong:
        judged = {name: values[name] for name in JUDGED}
        if "hard_maxlen" in wrong:
            judged["protect_groups"] = None  # it may be there, and only misspelt
        if message := None if values["pattern"] is None else pattern_error(values["pattern"]):
            wrong["pattern"] = message
        return None, list({**_judged(judged, wrong), **wrong}.values())
    note = values.pop("note")
    definition = Definition(Rule(**values), note)
    return definition, list(rule_errors(definition.rule).values())


def _judged(values: Mapping[str, Any], wrong: Mapping[str, str]) -> dict[str, str]:
    """What can be said of the rest, where a field that is missing or misspelt is not blamed twice."""
    errors = bounds_errors(**values)
    return {name: text for name, text in errors.items() if not (name in BOUNDING and wrong.keys() & BOUNDING)}


def _whole(value: Any) -> int:
    if type(value) is not int:  # not 1000.0, and not true
        raise ValueError("a whole number")
    return value


def _whole_or_none(value: Any) -> int | None:
    return None if value is None else _whole(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _span_or_none(value: Any) -> timedelta | None:
    return None if value is None else _span(value)


def _span(value: Any) -> timedelta:
    if type(value) not in (int, float):
        raise ValueError("a number of seconds")
    try:
        return timedelta(seconds=value)
    except (ValueError, OverflowError) as error:
        raise ValueError("a number of seconds, and not so many") from error


def _text(value: Any) -> str:
    """What PostgreSQL takes as text: no NUL, and no half of a surrogate pair, which JSON can spell."""
    if not isinstance(value, str) or any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in value):
        raise ValueError("text that can be stored")
    return value


def _name(value: Any) -> str:
    if len(_text(value)) > LONGEST_NAME:
        raise ValueError(f"at most {LONGEST_NAME} characters long")
    return str(value)


READERS: Mapping[str, Callable[[Any], Any]] = {
    "pattern": _name,
    "priority": _whole,
    "is_ceiling": _boolean,
    "maxlen": _whole_or_none,
    "trim_threshold": _whole_or_none,
    "max_age": _span_or_none,
    "max_bytes": _whole_or_none,
    "trim_interval": _span,
    "approximate": _boolean,
    "protect_groups": _boolean,
    "hard_maxlen": _whole_or_none,
    "ignore_groups_idle_for": _span_or_none,
    "enabled": _boolean,
    "note": _text,
}


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return int(seconds) if seconds.is_integer() else seconds
    return value


def _shown(value: Any) -> str:
    said = json.dumps(value)
    return said if len(said) <= 40 else f"{said[:40]}…"

"""Rules: limits as operators write them, each for a pattern; and which of them holds for a stream. Asks no server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

from streams.engine.limits import Bounds, Limit, errors_of
from streams.engine.patterns import PatternError, check_pattern, literal_name, literal_prefix, matches

MOST_PRIORITY = 1_000_000
CEILING = ":ceiling:"  # before the pattern, the key of a ceiling: a pattern may have a row of each kind
VERSION = ":version"  # the field of the published rules that holds their revision
TIGHTENED = ("maxlen", "trim_threshold", "max_age", "max_bytes", "hard_maxlen")
BOUNDS = tuple(one.name for one in fields(Bounds))


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule(Bounds):
    """One row. `is_ceiling`: it replaces no other rule, and its numbers only tighten: the lower one wins."""

    pattern: str
    priority: int = 0
    is_ceiling: bool = False

    @property
    def key(self) -> str:
        return f"{CEILING}{self.pattern}" if self.is_ceiling else self.pattern

    @property
    def stream(self) -> str | None:
        """The one stream that it is for; None for a pattern with wildcards."""
        return literal_name(self.pattern)

    @property
    def rank(self) -> tuple[int, bool, int, str]:
        """Highest priority first, then exact over glob, then the longest literal prefix; the rest is for order only."""
        return -self.priority, self.stream is None, -len(literal_prefix(self.pattern)), self.pattern

    def limit_of(self, stream: str) -> Limit:
        return Limit(stream=stream, **{name: getattr(self, name) for name in BOUNDS})


@dataclass(frozen=True, slots=True)
class Effective:
    """What holds for one stream, and why.

    `own` gave the numbers, the best of `lost` would without it; each of `ceilings` was asked. `tightened` names the
    fields that one of them lowered, and which. `limit` None: nothing bounds this stream.
    """

    stream: str
    limit: Limit | None = None
    own: Rule | None = None
    ceilings: tuple[Rule, ...] = ()
    lost: tuple[Rule, ...] = ()
    tightened: Mapping[str, Rule] = field(default_factory=dict)


class Rules:
    """All of them. `effective` costs one match a pattern with wildcards, and is worth keeping by stream."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._alike: dict[tuple[str, ...], Effective] = {}
        self.by_key: dict[str, Rule] = {rule.key: rule for rule in sorted(rules, key=lambda rule: rule.rank)}
        self._exact: dict[str, list[Rule]] = {}
        self._globs: list[Rule] = []
        for rule in self.by_key.values():
            if rule.stream is None:
                self._globs.append(rule)
            else:
                self._exact.setdefault(rule.stream, []).append(rule)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rules) and self.by_key == other.by_key

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def exact_streams(self) -> tuple[str, ...]:
        """The streams that a rule names."""
        return tuple(sorted(self._exact))

    def matching(self, stream: str) -> list[Rule]:
        """Best first."""
        found = [rule for rule in self._globs if matches(rule.pattern, stream)]
        if exact := self._exact.get(stream):
            found = sorted([*exact, *found], key=lambda rule: rule.rank)
        return found

    def limit_of(self, stream: str) -> Limit | None:
        return self.effective(stream).limit

    def alike(self, stream: str) -> Effective:
        """`effective`, worked out once for all that the same rules match: it is the same but for the names in it."""
        key = tuple([rule.key for rule in self.matching(stream)])
        if (found := self._alike.get(key)) is None:
            found = self._alike[key] = self.effective(stream)
        return found

    def effective(self, stream: str) -> Effective:
        """A rule that is switched off yields to the next; only where it is the last is the stream left unbounded."""
        found = self.matching(stream)
        plain = sorted((rule for rule in found if not rule.is_ceiling), key=lambda rule: (not rule.enabled, rule.rank))
        ceilings = tuple(rule for rule in found if rule.is_ceiling and rule.enabled)
        own = plain[0] if plain else None
        if own is None and not ceilings:
            return Effective(stream)
        if own is None or (not own.enabled and ceilings):
            limit, tighter = ceilings[0].limit_of(stream), ceilings[1:]
        else:
            limit, tighter = own.limit_of(stream), ceilings if own.enabled else ()
        limit, tightened = _tighten(limit, tighter) if tighter else (limit, {})
        return Effective(stream, limit, own, ceilings, tuple(plain[1:]), tightened)


def _tighten(limit: Limit, ceilings: Iterable[Rule]) -> tuple[Limit, dict[str, Rule]]:
    tightened: dict[str, Rule] = {}
    for rule in ceilings:
        for name in TIGHTENED:
            mine, theirs = getattr(limit, name), getattr(rule, name)
            if theirs is not None and (mine is None or theirs < mine):
                limit = replace(limit, **{name: theirs})
                tightened[name] = rule
    return _ordered(limit), tightened


def _ordered(limit: Limit) -> Limit:
    """maxlen ≤ trim_threshold ≤ hard_maxlen again, by lowering: each came from another rule."""
    hard, threshold, maxlen = limit.hard_maxlen, limit.trim_threshold, limit.maxlen
    if threshold is not None and hard is not None:
        threshold = min(threshold, hard)
    if maxlen is not None and threshold is not None:
        maxlen = min(maxlen, threshold)
    return replace(limit, trim_threshold=threshold, maxlen=maxlen)


def rule_errors(rule: Rule) -> dict[str, str]:
    """Field → what is wrong with it; empty when the rule holds."""
    errors = errors_of(rule)
    if message := pattern_error(rule.pattern):
        errors["pattern"] = message
    if abs(rule.priority) > MOST_PRIORITY:
        errors["priority"] = f"priority must be between {-MOST_PRIORITY:,} and {MOST_PRIORITY:,}."
    return errors


def pattern_error(pattern: str) -> str | None:
    """Why it can't be one; None where it can."""
    try:
        check_pattern(pattern)
    except PatternError as error:
        return str(error)
    if pattern == VERSION or pattern.startswith(CEILING):
        return f"pattern must not be {VERSION}, nor begin with {CEILING}: the published limits use these names."
    return None


def rivals(rule: Rule, others: Iterable[Rule], *, streams: Iterable[str]) -> dict[str, Rule]:
    """Stream → another glob of the same priority that matches it as well: which of them holds, only a prefix says."""
    if rule.stream is not None or rule.is_ceiling or not rule.enabled:
        return {}
    same = [
        other
        for other in others
        if other.key != rule.key
        and other.stream is None
        and other.priority == rule.priority
        and other.enabled
        and not other.is_ceiling
    ]
    mine = [stream for stream in streams if matches(rule.pattern, stream)] if same else []
    return {stream: other for stream in mine for other in same if matches(other.pattern, stream)}

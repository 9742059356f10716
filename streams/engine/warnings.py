"""What a rule may say, and hardly means. Refuses nothing; see rules.rule_errors for what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from streams.engine.plan import NODE_ENTRIES
from streams.engine.rules import Rule

RIVALS_NAMED = 3
SWEEP = timedelta(seconds=5)  # as often as beat looks at every stream


def warnings_of(rule: Rule, *, rivals: Mapping[str, Rule], inflows: Mapping[str, float]) -> tuple[str, ...]:
    """`rivals`: rules.rivals'. `inflows`: stream → entries an hour, of those that this rule is for."""
    said = []
    if rivals:
        pairs = [f"{stream} ({other.pattern})" for stream, other in list(rivals.items())[:RIVALS_NAMED]]
        said.append(f"Another pattern of the same priority matches as well: {', '.join(pairs)}. Give one of them more.")
    if rule.approximate and rule.maxlen is not None and rule.maxlen < NODE_ENTRIES:
        said.append(
            f"approximate removes whole nodes, of up to {NODE_ENTRIES} small entries: with maxlen {rule.maxlen:,} "
            "the stream may stay that much longer. Exact is cheap at this size."
        )
    if inflows and (overrun := _overrun(rule, *max(inflows.items(), key=lambda pair: pair[1]))):
        said.append(overrun)
    return tuple(said)


def _overrun(rule: Rule, stream: str, per_hour: float) -> str | None:
    """Producers cut at the ceiling by themselves, whoever reads: between two sweeps they should not reach it."""
    if not rule.enabled or not rule.protect_groups or rule.hard_maxlen is None or rule.maxlen is None:
        return None
    room = rule.hard_maxlen - (rule.trim_threshold or rule.maxlen)
    coming = round(per_hour * (SWEEP / timedelta(hours=1)))
    if coming <= room:
        return None
    return (
        f"{stream} is given {per_hour / 3600:,.0f} entries a second, {coming:,} between two sweeps: only {room:,} fit "
        "between trim_threshold and hard_maxlen. Beyond that producers cut what groups have not read."
    )

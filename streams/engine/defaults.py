"""The limits of the integration guide: what a producer goes by where no console has ever published any."""

from __future__ import annotations

from datetime import timedelta

from streams.engine.rules import Rule


def _rule(stream: str, maxlen: int, trim_threshold: int, seconds: int) -> Rule:
    return Rule(
        pattern=stream,
        maxlen=maxlen,
        trim_threshold=trim_threshold,
        trim_interval=timedelta(seconds=seconds),
        hard_maxlen=3 * maxlen,
    )


GUIDE_LIMITS: dict[str, Rule] = {
    rule.pattern: rule
    for rule in (
        _rule("snapshots:raw", 1000, 1200, 30),
        _rule("stream:ranking:deltas", 5000, 6000, 60),
        _rule("stream:realtime:aggregates", 3000, 4000, 45),
        _rule("tickers:filtered", 500, 600, 20),
        _rule("events:session", 100, 150, 60),
    )
}

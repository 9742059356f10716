"""The limits of the integration guide: what a producer goes by where no console has ever published any."""

from __future__ import annotations

from datetime import timedelta

from streams.engine.limits import Limit


def _limit(stream: str, maxlen: int, trim_threshold: int, seconds: int) -> Limit:
    return Limit(
        stream=stream,
        maxlen=maxlen,
        trim_threshold=trim_threshold,
        trim_interval=timedelta(seconds=seconds),
        hard_maxlen=3 * maxlen,
    )


GUIDE_LIMITS: dict[str, Limit] = {
    limit.stream: limit
    for limit in (
        _limit("snapshots:raw", 1000, 1200, 30),
        _limit("stream:ranking:deltas", 5000, 6000, 60),
        _limit("stream:realtime:aggregates", 3000, 4000, 45),
        _limit("tickers:filtered", 500, 600, 20),
        _limit("events:session", 100, 150, 60),
    )
}

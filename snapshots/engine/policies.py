"""The terms on which a snapshot is published, and their wire form, by which the console tells them to publishers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta

from snapshots.engine.errors import SnapshotError
from snapshots.engine.plan import Options
from snapshots.engine.thresholds import EXACT, Thresholds, thresholds_of

POLICIES_KEY = "tradeul:snapshots:policies"  # a hash: name → wire form, and the version
VERSION_FIELD = "/version"  # a slash is in no name


class WireError(SnapshotError):
    """Text that is no policy; the message names whose."""


@dataclass(frozen=True)
class Policy:
    """`full_ttl`: of the whole chain, renewed by every write; `delta_ttl`: of the alias key only."""

    options: Options = field(default_factory=Options)
    thresholds: Thresholds = EXACT
    full_ttl: timedelta = timedelta(minutes=15)
    delta_ttl: timedelta = timedelta(seconds=60)
    aliases: bool = False  # the snapshot is the default one


def to_wire(policy: Policy) -> str:
    options = policy.options
    return json.dumps(
        {
            "full_interval": options.full_interval.total_seconds(),
            "compression_threshold": options.compression_threshold,
            "compression_level": options.compression_level,
            "max_delta_ratio": options.max_delta_ratio,
            "max_chain": options.max_chain,
            "thresholds": [f"{name} {threshold}" for name, threshold in policy.thresholds.fields.items()],
            "full_ttl": policy.full_ttl.total_seconds(),
            "delta_ttl": policy.delta_ttl.total_seconds(),
            "aliases": policy.aliases,
        }
    )


def from_wire(text: str | bytes, *, name: str) -> Policy:
    """Raises WireError."""
    try:
        said = json.loads(text)
        return Policy(
            options=Options(
                full_interval=timedelta(seconds=said["full_interval"]),
                compression_threshold=int(said["compression_threshold"]),
                compression_level=int(said["compression_level"]),
                max_delta_ratio=float(said["max_delta_ratio"]),
                max_chain=int(said["max_chain"]),
            ),
            thresholds=thresholds_of(said["thresholds"]),
            full_ttl=timedelta(seconds=said["full_ttl"]),
            delta_ttl=timedelta(seconds=said["delta_ttl"]),
            aliases=bool(said["aliases"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise WireError(f"the policy that is published for snapshot {name} cannot be read: {error!r}") from error

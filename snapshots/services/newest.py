"""What the newest builds of every snapshot were, and what all on record come to: one query each. Judges none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from snapshots.store.builds import read_builds_on_record, read_newest_builds
from tradeul_ops.runs import Outcome

MEDIAN_OF = 60  # builds
BUILT = (Outcome.DONE, Outcome.PARTIAL)


@dataclass(frozen=True, slots=True)
class Newest:
    """Of the last build that succeeded, as in SnapshotBuild; None where there was none.

    `failed`: what a later one failed of, else "". `delta_median_bytes`: of the deltas among the last MEDIAN_OF.
    """

    started_at: datetime | None = None
    finished_at: datetime | None = None
    kind: str | None = None
    reason: str | None = None
    detail: str | None = None
    raw_bytes: int | None = None
    failed: str | None = None
    delta_median_bytes: int | None = None

    @property
    def took_ms(self) -> float | None:
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds() * 1000


@dataclass(frozen=True, slots=True)
class OnRecord:
    """`saved_bytes`: the sources' bytes minus what was written."""

    saved_bytes: int
    fulls: int
    deltas: int


def newest_builds() -> dict[int, Newest]:
    """By the policy's id."""
    rows = read_newest_builds(connection, built=BUILT, failed=Outcome.FAILED, median_of=MEDIAN_OF)
    return {policy: Newest(*rest) for policy, *rest in rows}


def builds_on_record() -> OnRecord:
    return OnRecord(*read_builds_on_record(connection, built=BUILT))

"""What the newest builds of every snapshot were, and what all on record come to: one query each. Judges none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from tradeul_ops.runs import Outcome

MEDIAN_OF = 60  # builds
BUILT = (Outcome.DONE, Outcome.PARTIAL)

# Each is the first that its index comes to. A failure before the last success says nothing of now, and would have to be
# looked for in all of the history. percentile_disc is the lower of two in the middle.
_NEWEST = """
    SELECT p.id, b.started_at, b.finished_at, b.kind, b.reason, b.detail, b.raw_bytes, f.detail, d.median
    FROM snapshots_snapshotpolicy p
    LEFT JOIN LATERAL (
        SELECT * FROM snapshots_snapshotbuild
        WHERE policy_id = p.id AND outcome = ANY(%(built)s) ORDER BY id DESC LIMIT 1) b ON true
    LEFT JOIN LATERAL (
        SELECT detail FROM snapshots_snapshotbuild
        WHERE policy_id = p.id AND outcome = %(failed)s AND id > COALESCE(b.id, 0) ORDER BY id DESC LIMIT 1) f ON true
    LEFT JOIN LATERAL (
        SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY stored_bytes) FILTER (WHERE kind = 'delta') AS median
        FROM (SELECT kind, stored_bytes FROM snapshots_snapshotbuild
              WHERE policy_id = p.id AND outcome = ANY(%(built)s) AND stored_bytes IS NOT NULL
              ORDER BY id DESC LIMIT %(median_of)s) AS last) d ON true
"""
_ALL = """
    SELECT COALESCE(sum(raw_bytes - stored_bytes), 0)::bigint, count(*) FILTER (WHERE kind = 'full'),
           count(*) FILTER (WHERE kind = 'delta')
    FROM snapshots_snapshotbuild WHERE outcome = ANY(%(built)s)
"""


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
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, {"built": list(BUILT), "failed": Outcome.FAILED, "median_of": MEDIAN_OF})
        return {policy: Newest(*rest) for policy, *rest in cursor.fetchall()}


def builds_on_record() -> OnRecord:
    with connection.cursor() as cursor:
        cursor.execute(_ALL, {"built": list(BUILT)})
        return OnRecord(*cursor.fetchone())

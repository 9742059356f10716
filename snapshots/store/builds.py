"""Reads the history of builds in single statements, for all snapshots at once. Judges none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


def read_newest_builds(connection: Any, *, built: Sequence[str], failed: str, median_of: int) -> list[tuple[Any, ...]]:
    """A row a policy: its id; when its last build with an outcome in `built` started and finished, its kind, reason,
    detail and raw bytes; what a later one failed of; the median of the deltas among the last `median_of`.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, {"built": list(built), "failed": failed, "median_of": median_of})
        return list(cursor.fetchall())


def read_builds_on_record(connection: Any, *, built: Sequence[str]) -> tuple[int, int, int]:
    """Bytes saved, fulls and deltas, of all builds with an outcome in `built`."""
    with connection.cursor() as cursor:
        cursor.execute(_ALL, {"built": list(built)})
        saved, fulls, deltas = cursor.fetchone()
        return saved, fulls, deltas

"""Orders what bounds the tables: compares rows with the server and mends it, drops what no job drops, records both."""

from timescale.services.applying import apply_aggregate_policy, apply_policy, reconcile_policies
from timescale.services.comparison import read_differences, read_problems, read_wishes
from timescale.services.edits import update_policy
from timescale.services.enforcement import RETENTION_BUDGET, RUNS_KEPT, enforce_retention, prune_history

__all__ = [
    "RETENTION_BUDGET",
    "RUNS_KEPT",
    "apply_aggregate_policy",
    "apply_policy",
    "enforce_retention",
    "prune_history",
    "read_differences",
    "read_problems",
    "read_wishes",
    "reconcile_policies",
    "update_policy",
]

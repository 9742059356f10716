"""Orders the work on snapshots: builds what is due, records it, and changes policies."""

from snapshots.services.building import build_snapshot, build_snapshots, forget, prune_history
from snapshots.services.policies import EDITABLE, create_policy, delete_policy, update_policy
from snapshots.services.publishing import publish_policies

__all__ = [
    "EDITABLE",
    "build_snapshot",
    "build_snapshots",
    "create_policy",
    "delete_policy",
    "forget",
    "prune_history",
    "publish_policies",
    "update_policy",
]

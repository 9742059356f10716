"""Orders the work on streams: edits limits, publishes them, enforces them, and records what that did."""

from streams.services.edits import EDITABLE, create_limit, delete_limit, update_limit
from streams.services.enforcement import HISTORY_KEPT, WHOLE_SWEEP, enforce_limit, enforce_limits, prune_history
from streams.services.inspection import entry_page, group_detail
from streams.services.previews import LossRefused, preview_change, preview_limit
from streams.services.publishing import publish_limits, publish_or_warn

__all__ = [
    "EDITABLE",
    "HISTORY_KEPT",
    "WHOLE_SWEEP",
    "LossRefused",
    "create_limit",
    "delete_limit",
    "enforce_limit",
    "enforce_limits",
    "entry_page",
    "group_detail",
    "preview_change",
    "preview_limit",
    "prune_history",
    "publish_limits",
    "publish_or_warn",
    "update_limit",
]

"""Orders the work on streams: edits limits, publishes them, enforces them, and records what that did."""

from streams.services.discovery import discover_streams, suggestion_for
from streams.services.edits import EDITABLE, create_limit, delete_limit, update_limit
from streams.services.enforcement import HISTORY_KEPT, enforce_limit, enforce_limits, prune_history
from streams.services.inspection import entry_page, group_detail
from streams.services.previews import LossRefused, preview_limit, preview_rule
from streams.services.publishing import publish_limits, publish_or_warn, version_in_force
from streams.services.records import WHOLE_SWEEP
from streams.services.rules import known_streams, load_rules, load_rules_and_ids, remember, storable

__all__ = [
    "EDITABLE",
    "HISTORY_KEPT",
    "WHOLE_SWEEP",
    "LossRefused",
    "create_limit",
    "delete_limit",
    "discover_streams",
    "enforce_limit",
    "enforce_limits",
    "entry_page",
    "group_detail",
    "known_streams",
    "load_rules",
    "load_rules_and_ids",
    "preview_limit",
    "preview_rule",
    "prune_history",
    "publish_limits",
    "publish_or_warn",
    "remember",
    "storable",
    "suggestion_for",
    "update_limit",
    "version_in_force",
]

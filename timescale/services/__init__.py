"""Orders what bounds the tables: compares rows with the server and mends it, drops what no job drops, records both."""

from timescale.services.actions import (
    Plan,
    fail_lost_actions,
    perform_action,
    plan_action,
    request_action,
    retry_job,
)
from timescale.services.applying import (
    apply_aggregate_policy,
    apply_policies,
    apply_policy,
    bound_of,
    mend_statements,
    reconcile_policies,
)
from timescale.services.arguments import ActionRefused
from timescale.services.comparison import (
    problems_of,
    read_differences,
    read_survey,
    read_wishes,
    survey_of,
)
from timescale.services.edits import (
    adopt_drift,
    read_column_errors,
    reapply_policy,
    undo_shortening,
    update_policy,
)
from timescale.services.enforcement import RETENTION_BUDGET, enforce_retention
from timescale.services.grace import read_graces
from timescale.services.missed import plan_missed, refresh_missed
from timescale.services.previews import LossRefused, preview_change
from timescale.services.punctuality import start_overdue_jobs
from timescale.services.upkeep import DATABASE, RUNS_KEPT, prune_history, take_samples

__all__ = [
    "DATABASE",
    "RETENTION_BUDGET",
    "RUNS_KEPT",
    "ActionRefused",
    "LossRefused",
    "Plan",
    "adopt_drift",
    "apply_aggregate_policy",
    "apply_policies",
    "apply_policy",
    "bound_of",
    "enforce_retention",
    "fail_lost_actions",
    "mend_statements",
    "perform_action",
    "plan_action",
    "plan_missed",
    "preview_change",
    "problems_of",
    "prune_history",
    "read_column_errors",
    "read_differences",
    "read_graces",
    "read_survey",
    "read_wishes",
    "reapply_policy",
    "reconcile_policies",
    "refresh_missed",
    "request_action",
    "retry_job",
    "start_overdue_jobs",
    "survey_of",
    "take_samples",
    "undo_shortening",
    "update_policy",
]

"""Migration operations for TimescaleDB that any Django project can use, on every edition and on plain PostgreSQL."""

from timescale.engine.adoption import Step
from timescale.engine.durations import spell
from timescale.operations.adoption import CreateOrAdoptModel, standing_bound
from timescale.operations.aggregates import CreateContinuousAggregate
from timescale.operations.columns import Count, First, Last, Max, Min, Sum
from timescale.operations.hypertables import (
    CreateExtension,
    CreateHypertable,
    EnableColumnstore,
    RewriteWideChunks,
    SetChunkTimeInterval,
)
from timescale.operations.policies import AddColumnstorePolicy, AddContinuousAggregatePolicy, AddRetentionPolicy
from timescale.operations.storage import AddHypertableIndex, SetStorageParameters

__all__ = [
    "AddColumnstorePolicy",
    "AddContinuousAggregatePolicy",
    "AddHypertableIndex",
    "AddRetentionPolicy",
    "Count",
    "CreateContinuousAggregate",
    "CreateExtension",
    "CreateHypertable",
    "CreateOrAdoptModel",
    "EnableColumnstore",
    "First",
    "Last",
    "Max",
    "Min",
    "RewriteWideChunks",
    "SetChunkTimeInterval",
    "SetStorageParameters",
    "Step",
    "Sum",
    "spell",
    "standing_bound",
]

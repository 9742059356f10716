"""Migration operations for TimescaleDB that any Django project can use, on every edition and on plain PostgreSQL."""

from timescale.operations.aggregates import Count, CreateContinuousAggregate, First, Last, Max, Min, Sum
from timescale.operations.hypertables import (
    CreateExtension,
    CreateHypertable,
    EnableColumnstore,
    SetChunkTimeInterval,
    SetStorageParameters,
)

__all__ = [
    "Count",
    "CreateContinuousAggregate",
    "CreateExtension",
    "CreateHypertable",
    "EnableColumnstore",
    "First",
    "Last",
    "Max",
    "Min",
    "SetChunkTimeInterval",
    "SetStorageParameters",
    "Sum",
]

"""Brings a database to what its edition offers: migrations, then their operations again, aggregates filled, policies.

`plan_upgrade` says each step, its lock and a guess of its time first, from the same code that would do it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations import CreateModel, Migration
from django.db.migrations.loader import MigrationLoader

from timescale.engine.adoption import Step
from timescale.engine.durations import spell
from timescale.engine.edition import Edition
from timescale.engine.sizing import REFRESHED, duration
from timescale.models import AggregatePolicy
from timescale.operations import CreateContinuousAggregate
from timescale.operations.base import Target, TimescaleOperation
from timescale.services.applying import apply_policies
from timescale.services.comparison import read_differences
from timescale.services.errors import UpgradeRunning
from timescale.services.refreshing import fill_aggregates, plan_fills
from timescale.store import catalog, shapes
from timescale.store.errors import naming
from tradeul_ops.locks import one_at_a_time

APP = "timescale"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    edition: Edition
    edition_to_be: Edition
    pending: tuple[str, ...]  # migrations that have not run
    steps: tuple[Step, ...]

    @property
    def changes(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.changes)

    @property
    def takes(self) -> timedelta:
        return sum((step.takes for step in self.steps if step.takes is not None), timedelta(0))


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade did: the steps that it had planned, and what it said on the way."""

    plan: Plan
    done: tuple[str, ...]


def plan_upgrade(*, now: datetime) -> Plan:
    """What `upgrade` would do; changes nothing. Raises TimescaleError, NotAdoptable too."""
    loader = MigrationLoader(connection)
    target = Target.of(connection, printing=True)
    migrations = _migrations(loader)
    pending = tuple(m.name for m in migrations if (APP, m.name) not in loader.applied_migrations)
    steps: list[Step] = []
    state: Any = loader.project_state((APP, migrations[0].name), at_end=False)
    for migration in migrations:
        for operation in migration.operations:
            operation.state_forwards(APP, state)
            if migration.name in pending or (isinstance(operation, TimescaleOperation) and operation.again):
                steps += _steps(operation, target, state)
    steps += _policy_steps(target, now=now, pending=bool(pending))
    return Plan(target.detection.edition, target.edition, pending, tuple(steps))


def upgrade(*, now: datetime) -> Upgrade:
    """Does it. Each step is idempotent, so an upgrade that was interrupted goes on where it stopped.

    Raises TimescaleError, and UpgradeRunning.
    """
    with one_at_a_time("timescale.upgrade") as mine:
        if not mine:
            raise UpgradeRunning
        plan = plan_upgrade(now=now)
        done: list[str] = []
        if plan.pending:
            call_command("migrate", APP, verbosity=0, interactive=False)
            done.append(f"migrated {', '.join(plan.pending)}")
        done += _run_again()
        # Before any job can drop what an aggregate has not read yet.
        for view, window in fill_aggregates(now=now).items():
            done.append(f"{view}: filled from {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC")
        done += [f"{d.relation}: {d.kind} is now {d.wanted}" for d in apply_policies()]
        for line in done:
            logger.info("upgrade: %s", line)
        return Upgrade(plan, tuple(done))


def _migrations(loader: MigrationLoader) -> list[Migration]:
    [leaf] = loader.graph.leaf_nodes(APP)
    return [loader.graph.nodes[node] for node in loader.graph.forwards_plan(leaf) if node[0] == APP]


def _steps(operation: Any, target: Target, state: Any) -> Iterator[Step]:
    if hasattr(operation, "steps"):
        yield from operation.steps(target, app_label=APP, state=state)
    elif isinstance(operation, CreateModel):
        options = state.models[APP, operation.name_lower].options
        if options.get("managed", True):
            yield Step(options.get("db_table", f"{APP}_{operation.name_lower}"), "create the table, the console's own")


def _policy_steps(target: Target, *, now: datetime, pending: bool) -> Iterator[Step]:
    if target.edition is not Edition.COMMUNITY:
        return
    seen = catalog.read_catalog(connection)
    if pending or seen.edition is not Edition.COMMUNITY:
        says = "make TimescaleDB's jobs what the policies say"
        if old := [f"{job.relation} {job.kind} {job.says}" for job in seen.jobs]:
            says += f"; now they are: {', '.join(old)}"
        yield Step("policies", says)
        return
    sources = dict(AggregatePolicy.objects.values_list("view_name", "source"))
    for view, window in plan_fills(now=now).items():
        rows = shapes.read_rows(connection, sources[view])
        says = f"fill it from {window.start:%Y-%m-%d %H:%M} UTC on"
        yield Step(view, says, rows=rows, takes=duration(rows, rows_a_second=REFRESHED))
    for differences in read_differences(seen).values():
        for difference in differences:
            yield Step(difference.relation, f"{difference.kind}: {difference.actual} becomes {difference.wanted}")


def _run_again() -> list[str]:
    """The operations of the migrations that follow the edition; each answers nothing where all stands."""
    operations = [
        operation
        for migration in _migrations(MigrationLoader(connection))
        for operation in migration.operations
        if isinstance(operation, TimescaleOperation) and operation.again
    ]
    done: list[str] = []
    aggregates = [operation for operation in operations if isinstance(operation, CreateContinuousAggregate)]
    for operation in operations:
        if operation not in aggregates:
            with transaction.atomic():
                done += _run(operation, operation.forwards)
    with transaction.atomic():  # a reader sees the views of before, or those of after
        for aggregate in reversed(aggregates):  # one that reads another makes way first
            _run(aggregate, aggregate.make_way)
        for aggregate in aggregates:
            done += _run(aggregate, aggregate.forwards)
    return done


def _run(operation: TimescaleOperation, direction: Any) -> list[str]:
    target = Target.of(connection, printing=False)
    with naming(operation.migration_name_fragment or operation.describe()), connection.cursor() as cursor:
        announced = list(operation.steps(target, app_label=APP, state=None))
        for statement in direction(target):
            cursor.execute(statement)
    return [str(step) for step in announced]


def spell_plan(plan: Plan) -> str:
    """The whole in one sentence."""
    if not plan.changes:
        return f"Nothing to do: the database is what the {plan.edition} edition offers."
    second = timedelta(seconds=1)
    about = f", about {spell(plan.takes)} of a core that does nothing else" if plan.takes >= second else ", at once"
    count = "1 step" if len(plan.changes) == 1 else f"{len(plan.changes)} steps"
    return f"{count}{about}. Edition: {plan.edition}" + (
        f", then {plan.edition_to_be}." if plan.edition_to_be is not plan.edition else "."
    )

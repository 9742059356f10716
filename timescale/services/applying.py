"""Makes the jobs and settings of the Community edition what the rows say. Nothing to do on other editions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from django.db import connection, transaction

from timescale.engine import drift
from timescale.engine.drift import Difference
from timescale.engine.policies import WantedTable, WantedView
from timescale.models import AggregatePolicy, HypertablePolicy
from timescale.services.comparison import read_differences, read_problems, read_wishes
from timescale.store import catalog, commands
from timescale.store.errors import ServerAway, TimescaleError
from tradeul_ops.locks import one_at_a_time

logger = logging.getLogger(__name__)


def reconcile_policies() -> tuple[Difference, ...]:
    """Makes the server's jobs and settings what the rows say; answers what it changed. Nothing on other editions.

    Raises ServerAway.
    """
    return _reconcile(lambda name: True)


def apply_policy(policy_id: int) -> tuple[Difference, ...]:
    """The same for one hypertable policy. A retention job that is new or changed drops within seconds."""
    table = HypertablePolicy.objects.get(pk=policy_id).table_name
    return _reconcile(lambda name: name == table)


def apply_aggregate_policy(policy_id: int) -> tuple[Difference, ...]:
    view = AggregatePolicy.objects.get(pk=policy_id).view_name
    return _reconcile(lambda name: name == view)


def _reconcile(asked: Callable[[str], bool]) -> tuple[Difference, ...]:
    with one_at_a_time("timescale.policies") as mine:
        if not mine:
            return ()
        differences = read_differences(catalog.read_catalog(connection))
        problems = read_problems()
        tables, views = read_wishes()
        changed: list[Difference] = []
        wishes: list[WantedTable | WantedView] = [*tables, *views]
        for wanted in wishes:
            name = wanted.name
            to_mend = [d for d in differences.get(name, ()) if d.kind not in drift.NOT_MENDED]
            if not to_mend or not asked(name):
                continue
            if problems[name]:
                logger.error("%s: its policy is not applied. %s", name, " ".join(problems[name]))
                continue
            changed += _mend(wanted, to_mend)
        return tuple(changed)


def _mend(wanted: WantedTable | WantedView, differences: Iterable[Difference]) -> list[Difference]:
    """Each by itself: a column that segmentby misspells must not keep the retention from being mended."""
    done = []
    for difference in differences:
        try:
            with transaction.atomic():
                commands.wait_little_for_locks(connection)
                commands.mend(connection, wanted, difference.kind)
        except ServerAway:
            raise
        except TimescaleError as error:
            logger.warning("policy of %s", error)
            continue
        logger.info("mended %s", difference)
        done.append(difference)
    return done

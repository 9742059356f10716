"""Makes the jobs and settings of the Community edition what the rows say. Nothing to do on other editions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from timescale.engine import drift
from timescale.engine.drift import Aspect, Difference, Kind, State
from timescale.engine.edition import Edition
from timescale.engine.policies import WantedTable
from timescale.models import AggregatePolicy, AppliedSetting, HypertablePolicy
from timescale.services.comparison import Wish, problems_of, read_wishes, survey_of
from timescale.services.grace import note_bound, read_graces
from timescale.services.missed import plan_missed
from timescale.store import actions, catalog, commands
from timescale.store.errors import ServerAway, TimescaleError
from timescale.store.reading import alone
from tradeul_ops.locks import one_at_a_time

logger = logging.getLogger(__name__)


def reconcile_policies() -> tuple[Difference, ...]:
    """Carries out what the rows say and the server never had; answers what it changed. Nothing on other editions.

    What somebody changed in the database stays, and is remembered as drift since now: a person adopts it or applies
    the row again. A table's first retention waits until its aggregates have read what stands. Raises ServerAway.
    """
    unread = _read_unread(now=timezone.now())
    return _reconcile(
        lambda aspect: (
            aspect.mended_by_itself
            and not (aspect.kind is Kind.RETENTION and aspect.state is State.MISSING and aspect.relation in unread)
        )
    )


def apply_policies() -> tuple[Difference, ...]:
    """Makes everything what the rows say, also what somebody changed in the database. Raises ServerAway."""
    return _reconcile(lambda aspect: True)


def apply_policy(policy_id: int, *, kinds: Collection[Kind] | None = None) -> tuple[Difference, ...]:
    """The same for one hypertable policy, or for some `kinds` of it.

    A retention job that is new drops within seconds; one that shortened the bound waits its grace.
    """
    return _apply(HypertablePolicy.objects.get(pk=policy_id).table_name, kinds)


def apply_aggregate_policy(policy_id: int, *, kinds: Collection[Kind] | None = None) -> tuple[Difference, ...]:
    return _apply(AggregatePolicy.objects.get(pk=policy_id).view_name, kinds)


def mend_statements(wanted: Wish, aspect: Aspect, *, now: datetime) -> tuple[str, ...]:
    """The SQL that applying this row again would run. Runs none."""
    if aspect.kind in drift.NOT_MENDED:
        return ()
    grace = read_graces(now=now).get(wanted.name)
    return actions.mend_sql(connection, wanted, aspect.kind, not_before=grace.until if grace else None)


def _apply(name: str, kinds: Collection[Kind] | None) -> tuple[Difference, ...]:
    return _reconcile(
        lambda aspect: aspect.relation == name and (kinds is None or aspect.kind in kinds or aspect.mended_by_itself)
    )


def _read_unread(*, now: datetime) -> frozenset[str]:
    """The tables and aggregates of which another has yet to read what its policy doesn't reach."""
    try:
        with alone(connection):
            missed = plan_missed(catalog.read_catalog(connection), now=now).readable
    except ServerAway:
        raise
    except TimescaleError as error:
        logger.warning("what aggregates have not read: %s", error)
        return frozenset()
    views = {one.view for one in missed}
    return frozenset(AggregatePolicy.objects.filter(view_name__in=views).values_list("source", flat=True))


def _reconcile(asked: Callable[[Aspect], bool]) -> tuple[Difference, ...]:
    with one_at_a_time("timescale.policies") as mine:
        if not mine:
            return ()
        now = timezone.now()
        seen = catalog.read_catalog(connection)
        if seen.edition is not Edition.COMMUNITY:
            return ()
        tables, views = read_wishes()
        found = survey_of(seen, (tables, views), applied=AppliedSetting.objects.all())
        problems = problems_of((tables, views))
        changed: list[Difference] = []
        wishes: list[Wish] = [*tables, *views]
        for wanted in wishes:
            to_mend = [
                aspect
                for aspect in drift.differing(found.get(wanted.name, ()))
                if aspect.kind not in drift.NOT_MENDED and asked(aspect)
            ]
            if not to_mend:
                continue
            if problems[wanted.name]:
                logger.error("%s: its policy is not applied. %s", wanted.name, " ".join(problems[wanted.name]))
                continue
            changed += _mend(wanted, to_mend, seen, now=now)
        _remember(found, changed, wishes, now=now)
        return tuple(changed)


def _mend(wanted: Wish, aspects: Iterable[Aspect], seen: catalog.Catalog, *, now: datetime) -> list[Difference]:
    """Each by itself: a column that segmentby misspells must not keep the retention from being mended."""
    done = []
    for aspect in aspects:
        try:
            with transaction.atomic():
                not_before = _grace_of(wanted, aspect, seen, now=now) if aspect.kind is Kind.RETENTION else None
                commands.wait_little_for_locks(connection)
                actions.mend(connection, wanted, aspect.kind, not_before=not_before)
        except ServerAway:
            raise
        except TimescaleError as error:
            logger.warning("policy of %s", error)
            continue
        logger.info("mended %s", aspect)
        done.append(aspect)
    return done


def bound_of(wanted: Wish) -> timedelta | None:
    """None: everything is kept."""
    return None if isinstance(wanted, WantedTable) and not wanted.enabled else wanted.drop_after


def _grace_of(wanted: Wish, aspect: Aspect, seen: catalog.Catalog, *, now: datetime) -> datetime | None:
    """When the new job may first run: a bound below what the server had, or had been given, waits."""
    after = bound_of(wanted)
    running = read_graces(now=now).get(wanted.name)
    if running is not None and running.drop_after == after:
        return running.until
    had = [job.after for job in seen.jobs_of(wanted.name) if job.kind is Kind.RETENTION and job.after is not None]
    if not had and not aspect.applied:
        return None  # never bounded before: this is the first time, asked for by installing
    if not had:
        # Somebody removed the job: what it would have dropped is not to go without a wait.
        grace = note_bound(wanted.name, before=None, after=after, now=now)
    else:
        grace = note_bound(wanted.name, before=max(had), after=after, now=now)
    return grace.until if grace else None


def _remember(
    found: dict[str, tuple[Aspect, ...]], changed: list[Difference], wishes: list[Wish], *, now: datetime
) -> None:
    """What is as its row wants is what was applied; what differs is drift since it was first seen."""
    known = {(row.relation, row.kind): row for row in AppliedSetting.objects.all()}
    bounds = {wanted.name: bound_of(wanted) for wanted in wishes}
    for aspects in found.values():
        for aspect in aspects:
            if aspect.kind in drift.NOT_MENDED:
                continue
            row = known.get((aspect.relation, aspect.kind))
            if aspect.state is State.IN_SYNC or aspect in changed:
                if row is None or row.mark != aspect.wanted_mark or row.differs_since is not None:
                    AppliedSetting.objects.update_or_create(
                        relation=aspect.relation,
                        kind=aspect.kind,
                        defaults={
                            "mark": aspect.wanted_mark,
                            "drop_after": bounds.get(aspect.relation) if aspect.kind is Kind.RETENTION else None,
                            "applied_at": now,
                            "differs_since": None,
                        },
                    )
            elif row is not None and row.differs_since is None:
                AppliedSetting.objects.filter(pk=row.pk).update(differs_since=now)
                logger.warning("%s: %s. %s", aspect.relation, aspect.state, aspect)

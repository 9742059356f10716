"""Celery's doors into the services. What PostgreSQL can't do now is said in one line, and done at the next tick."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from celery import shared_task
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from timescale import services
from timescale.store.errors import TimescaleError

logger = logging.getLogger(__name__)


@contextmanager
def _or_next_time(what: str) -> Iterator[None]:
    try:
        yield
    except (TimescaleError, OperationalError, InterfaceError) as error:
        logger.warning("%s: not now, at the next tick. %s", what, str(error).strip())


@shared_task(name="timescale.enforce_retention", ignore_result=True)
def enforce_retention() -> None:
    with _or_next_time("retention"):
        services.enforce_retention(now=timezone.now())


@shared_task(name="timescale.reconcile_policies", ignore_result=True)
def reconcile_policies() -> None:
    with _or_next_time("policies"):
        services.reconcile_policies()
        services.start_overdue_jobs(now=timezone.now())


@shared_task(name="timescale.refresh_missed", ignore_result=True)
def refresh_missed() -> None:
    with _or_next_time("what aggregates missed"):
        services.refresh_missed(now=timezone.now())


@shared_task(name="timescale.take_samples", ignore_result=True)
def take_samples() -> None:
    with _or_next_time("samples"):
        services.take_samples(now=timezone.now())
        services.fail_lost_actions(now=timezone.now())


# Not sent again by anything: what it could not do stands in its row, for the person who asked.
@shared_task(name="timescale.perform_action", ignore_result=True)
def perform_action(action_id: int) -> None:
    with _or_next_time("an action"):
        services.perform_action(action_id)


@shared_task(name="timescale.prune_history", ignore_result=True)
def prune_history() -> None:
    with _or_next_time("pruning"):
        services.prune_history(now=timezone.now())

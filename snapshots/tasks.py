"""Doors for beat, with the work in services. A server that is away is a warning, left to next time."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from celery import shared_task
from celery.signals import worker_ready
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from redis import RedisError  # a cluster client connects when it is made, before any store sees it

from snapshots import services
from snapshots.services import ledger
from snapshots.store import StoreError

logger = logging.getLogger(__name__)


@worker_ready.connect
def collect_garbage_less_often(**_: object) -> None:
    """Parsing a snapshot that is one string makes 70,000 containers, and full passes walk them: up to 1.6 × the CPU.

    Here, as this process is the console's own; the publisher leaves its host's collector alone.
    """
    gc.set_threshold(50_000, 20, 100)


@contextmanager
def _or_next_time(what: str) -> Iterator[None]:
    try:
        yield
    except (StoreError, RedisError, OperationalError, InterfaceError) as error:
        logger.warning("%s: not this time. %s", what, " ".join(str(error).split()))


@shared_task(name="snapshots.build_snapshots", ignore_result=True)
def build_snapshots() -> None:
    with _or_next_time("build snapshots"):
        services.build_snapshots(timezone.now())


@shared_task(name="snapshots.publish_policies", ignore_result=True)
def publish_policies() -> None:
    with _or_next_time("publish snapshot policies"):
        services.publish_policies()


@shared_task(name="snapshots.test_restores", ignore_result=True)
def test_restores() -> None:
    with _or_next_time("restore snapshots for a test"):
        ledger.test_restores(now=timezone.now())


@shared_task(name="snapshots.prune_history", ignore_result=True)
def prune_history() -> None:
    with _or_next_time("prune snapshot history"):
        services.prune_history()

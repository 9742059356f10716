"""Doors for beat and for edits, with the work in services. A server that is away is a warning, left to next time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from celery import shared_task
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from redis import RedisError  # a cluster client connects when it is made, before any store sees it

from streams import services
from streams.services import samples
from streams.store import StoreError

logger = logging.getLogger(__name__)


@contextmanager
def _or_next_time(what: str) -> Iterator[None]:
    try:
        yield
    except (StoreError, RedisError, OperationalError, InterfaceError) as error:
        logger.warning("%s: not this time. %s", what, " ".join(str(error).split()))


@shared_task(name="streams.enforce_limits", ignore_result=True)
def enforce_limits() -> None:
    with _or_next_time("trim what is due"):
        services.enforce_limits(timezone.now())


@shared_task(name="streams.enforce_limit", ignore_result=True)
def enforce_limit(stream: str) -> None:
    with _or_next_time(f"trim {stream}"):
        services.enforce_limit(stream, now=timezone.now())


@shared_task(name="streams.publish_limits", ignore_result=True)
def publish_limits() -> None:
    with _or_next_time("publish limits"):
        services.publish_limits()


@shared_task(name="streams.discover_streams", ignore_result=True)
def discover_streams() -> None:
    with _or_next_time("look for streams"):
        services.discover_streams(now=timezone.now())


@shared_task(name="streams.prune_history", ignore_result=True)
def prune_history() -> None:
    with _or_next_time("prune stream history"):
        services.prune_history()
        samples.cut_samples()


@shared_task(name="streams.take_samples", ignore_result=True)
def take_samples() -> None:
    with _or_next_time("sample streams"):
        samples.take_samples(now=timezone.now())


@shared_task(name="streams.prune_samples", ignore_result=True)
def prune_samples() -> None:
    with _or_next_time("thin stream samples"):
        samples.prune_samples(now=timezone.now())

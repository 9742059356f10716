"""The console's own pages and probes: each reads one value and shows it."""

from __future__ import annotations

import time
from typing import Any

import redis
from django.contrib.auth.decorators import login_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from tradeul_ops.access import login_or_token
from tradeul_ops.connections import broker_redis, data_redis
from tradeul_ops.console import prometheus
from tradeul_ops.console.drawing import drawn_together
from tradeul_ops.console.findings import judge_and_note
from tradeul_ops.console.memory_metrics import read_memory_metrics
from tradeul_ops.console.overview import read_overview
from tradeul_ops.console.saved import saved_so_far
from tradeul_ops.console.tiles import read_tiles
from tradeul_ops.polls import is_poll


@require_safe
@login_required
@drawn_together
def overview(request: HttpRequest) -> HttpResponse:
    """The whole page, or for a poll the part of it that changes."""
    template = "_overview.html" if request.htmx else "overview.html"
    seen = read_overview(now=timezone.now(), polled=is_poll(request))
    findings = judge_and_note(seen)
    context = {"overview": seen, "verdict": findings.verdict, "findings": findings}
    return render(request, template, {**context, "tiles": read_tiles(seen), "savings": saved_so_far(seen)})


@require_safe
@login_or_token
def memory_metrics(request: HttpRequest) -> JsonResponse:
    """503 with what could be read when a source is away: half an answer must not look whole."""
    metrics, errors = read_memory_metrics(now=timezone.now())
    return JsonResponse(
        {**metrics, "errors": errors}, status=503 if errors else 200, json_dumps_params={"default": str}
    )


@require_safe
@login_or_token
def prometheus_metrics(request: HttpRequest) -> HttpResponse:
    """200 also while a source is away, which is a metric itself: Prometheus would drop the rest of a 503."""
    text = prometheus.exposition(now=timezone.now(), clock=time.perf_counter)
    return HttpResponse(text, content_type=prometheus.CONTENT_TYPE)


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The process answers. Says nothing about the servers: a restart would not cure those."""
    return HttpResponse("live\n", content_type="text/plain")


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 while pages can be served, which takes PostgreSQL; says of the Redis servers what it found."""
    state: dict[str, Any] = {"postgresql": _answers_sql(), "redis": _pings(data_redis), "broker": _pings(broker_redis)}
    return JsonResponse(state, status=200 if state["postgresql"] else 503)


def _answers_sql() -> bool:
    try:
        connection.ensure_connection()
        return bool(connection.is_usable())
    except DatabaseError:
        return False


def _pings(client: Any) -> bool:
    try:
        return bool(client().ping())
    except redis.RedisError:
        return False

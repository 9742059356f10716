"""A stream's past for its page: the chart's values, and the same samples as CSV and JSON. Changes nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from streams.engine.limits import Limit
from streams.engine.samples import Sample
from streams.services.trends import SPANS, Span, limit_changes, read_history, span_of
from tradeul_ops.charts import Level, Mark

COLUMNS = ("at", "length", "bytes", "entries_added", "first_id")
PER_GROUP = ("lag", "pending", "last_delivered_id")


class _Echo:
    """A file that gives back what is written to it: rows go out as they are made."""

    def write(self, line: str) -> str:
        return line


def context(stream: str, limit: Limit | None, *, word: str | None) -> dict[str, Any]:
    now, span = timezone.now(), span_of(word)
    samples = read_history(stream, span=span, now=now)
    return {
        "history": {
            "span": span,
            "spans": SPANS,
            "stream": stream,
            "since": now - span.long,
            "until": now,
            "points": [(sample.at, float(sample.length)) for sample in samples],
            "levels": _levels(limit),
            "marks": [
                Mark(change.at, f"{change.text}, by {change.by}")
                for change in limit_changes(stream, since=now - span.long)
            ],
        }
    }


@require_safe
@login_required
def as_json(request: HttpRequest) -> HttpResponse:
    stream, span, samples = _asked(request)
    if not stream:
        return _which_stream()
    return JsonResponse(
        {
            "stream": stream,
            "history": span.word,
            "samples": [
                {**{name: getattr(sample, name) for name in COLUMNS}, "groups": _groups(sample)} for sample in samples
            ],
        }
    )


@require_safe
@login_required
def as_csv(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """A line a sample; three columns for each group that any of them has. What is unknown is empty."""
    stream, span, samples = _asked(request)
    if not stream:
        return _which_stream()
    response = StreamingHttpResponse(_lines(samples), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="history-{span.word}.csv"'
    return response


def _asked(request: HttpRequest) -> tuple[str, Span, list[Sample]]:
    stream, span = request.GET.get("stream", ""), span_of(request.GET.get("history"))
    return stream, span, read_history(stream, span=span, now=timezone.now()) if stream else []


def _which_stream() -> HttpResponse:
    return HttpResponseBadRequest(gettext("Say which stream: ?stream=…"), content_type="text/plain")


def _lines(samples: list[Sample]) -> Iterable[str]:
    names = sorted({group.name for sample in samples for group in sample.groups})
    writer = csv.writer(_Echo())
    yield writer.writerow([*COLUMNS, *(f"{column} of {name}" for name in names for column in PER_GROUP)])
    for sample in samples:
        groups = {group.name: group for group in sample.groups}
        yield writer.writerow(
            [_text(getattr(sample, name)) for name in COLUMNS]
            + [_text(getattr(groups.get(name), column, None)) for name in names for column in PER_GROUP]
        )


def _groups(sample: Sample) -> dict[str, dict[str, Any]]:
    return {group.name: {column: getattr(group, column) for column in PER_GROUP} for group in sample.groups}


def _text(value: Any) -> str:
    return "" if value is None else value.isoformat() if isinstance(value, datetime) else str(value)


def _levels(limit: Limit | None) -> list[Level]:
    if limit is None or not limit.enabled:
        return []
    levels = [Level("maxlen", limit.maxlen, "limit")] if limit.maxlen else []
    if limit.protect_groups and limit.hard_maxlen:
        levels.append(Level("ceiling", limit.hard_maxlen, "ceiling"))
    return levels

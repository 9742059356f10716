"""What a change was expected to do stays with it, and why it came otherwise is said."""

from __future__ import annotations

import json

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from streams import services
from streams.engine.prediction import Prediction, prediction_from
from tests.streams.factories import fill, make_row
from tradeul_ops import audit

SAID = Prediction(
    stream="orders",
    length=5000,
    keeps=1000,
    freed_bytes=40_000,
    loses=0,
    threshold=1300,
    ceiling=3000,
    held_by=None,
)


@pytest.mark.parametrize(
    ("length", "why"),
    [
        (1000, ""),
        (1099, ""),
        (1101, "longer: what comes is cut only above the threshold of 1,300"),
        (1300, "longer: what comes is cut only above the threshold of 1,300"),
        (2900, "longer: a group needs the oldest entries, which stay up to the ceiling of 3,000"),
        (3001, "longer than any bound of then lets it: nothing trimmed it, or it was changed again"),
        (899, "shorter: it was cut again since, by another limit or by somebody else"),
    ],
)
def test_why_it_came_otherwise(length: int, why: str) -> None:
    assert SAID.why_other(length) == why


def test_it_comes_back_from_its_record_as_it_was() -> None:
    assert prediction_from(json.loads(json.dumps(SAID.as_record()))) == SAID
    assert prediction_from({"stream": "orders"}) is None
    assert prediction_from(None) is None


def test_an_edit_keeps_what_its_preview_said(db: None, redis: redis_library.Redis, django_user_model) -> None:
    row = make_row("orders", 4000, protect_groups=False)
    fill(redis, "orders", 3000)
    ana = django_user_model.objects.create_superuser("ana")
    services.update_limit(row.pk, {"maxlen": 1000}, user_id=ana.pk, now=timezone.now())
    kept = prediction_from(audit.predicted_of(LogEntry.objects.latest("id")))
    assert kept is not None
    assert (kept.stream, kept.length, kept.keeps, kept.loses) == ("orders", 3000, 1000, 0)
    assert kept.freed_bytes is not None and kept.freed_bytes > 0


def test_a_note_predicts_nothing(db: None, redis: redis_library.Redis, django_user_model) -> None:
    row = make_row("orders", 4000)
    ana = django_user_model.objects.create_superuser("ana")
    services.update_limit(row.pk, {"note": "for the night"}, user_id=ana.pk, now=timezone.now())
    assert audit.predicted_of(LogEntry.objects.latest("id")) is None

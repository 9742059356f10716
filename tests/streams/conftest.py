"""Fixtures of more than one file."""

from __future__ import annotations

import pytest

from streams.models import StreamLimit


@pytest.fixture
def no_limits(db: None) -> None:
    """Without the migration's five, which would be published and trimmed too."""
    StreamLimit.objects.all().delete()

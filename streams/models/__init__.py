"""Rows: limits, the streams they were found to match, and what each trim did. Talk to no Redis."""

from streams.models.limits import StreamLimit
from streams.models.runs import Enforcement, TrimRun
from streams.models.samples import StreamSample
from streams.models.streams import Stream

__all__ = ["Enforcement", "Stream", "StreamLimit", "StreamSample", "TrimRun"]

"""The stream pages. Save only through `services`."""

from streams.views.actions import revert, trim
from streams.views.adoption import adopt, new
from streams.views.inline import maxlen, row
from streams.views.limits import delete, limit, preview
from streams.views.streams import stream, streams

__all__ = ["adopt", "delete", "limit", "maxlen", "new", "preview", "revert", "row", "stream", "streams", "trim"]

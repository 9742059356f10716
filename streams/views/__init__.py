"""The stream pages. Save only through `services`."""

from streams.views.actions import revert, trim
from streams.views.inline import maxlen, row
from streams.views.limits import delete, limit, new, preview
from streams.views.streams import stream, streams

__all__ = ["delete", "limit", "maxlen", "new", "preview", "revert", "row", "stream", "streams", "trim"]

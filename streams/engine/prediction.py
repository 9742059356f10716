"""What a change was expected to do to its one stream, kept with the change; and why it came otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from streams.engine.changes import ChangePreview

AS_SAID = 0.02  # of what was predicted: entries come and go between a trim and a sample
NODE = 100  # entries that an approximate trim may leave


@dataclass(frozen=True, slots=True)
class Prediction:
    """As the preview said it when the change was saved. None is unknown, or no such bound.

    `keeps`: entries after the trim; `threshold` and `ceiling`: the lengths at which it is cut, and at which it is cut
    whatever a group needs; `loses`: entries that groups may lose, at most; `held_by`: the group that held it then.
    """

    stream: str
    length: int
    keeps: int
    freed_bytes: int | None
    loses: int | None
    threshold: int | None
    ceiling: int | None
    held_by: str | None

    def as_record(self) -> dict[str, Any]:
        return asdict(self)

    def why_other(self, length: int) -> str:
        """Why a stream measured at `length` is not as long as predicted. Empty: it is, give or take."""
        if abs(length - self.keeps) <= max(NODE, AS_SAID * self.keeps):
            return ""
        if length < self.keeps:
            return "shorter: it was cut again since, by another limit or by somebody else"
        if self.threshold is not None and length <= self.threshold:
            return f"longer: what comes is cut only above the threshold of {self.threshold:,}"
        if self.ceiling is not None and length <= self.ceiling:
            group = f"group {self.held_by} needs" if self.held_by else "a group needs"
            return f"longer: {group} the oldest entries, which stay up to the ceiling of {self.ceiling:,}"
        return "longer than any bound of then lets it: nothing trimmed it, or it was changed again"


def prediction_of(preview: ChangePreview) -> Prediction | None:
    """None where the change is about no stream or about several, or where nobody could say what it does."""
    if preview.is_glob or len(preview.losses) != 1 or preview.unbounded or preview.not_looked_into:
        return None
    loss = preview.losses[0]
    limit = next((one.new.limit for one in preview.changes if one.stream == loss.stream), None)
    if loss.problem or not loss.enabled or limit is None:
        return None
    return Prediction(
        stream=loss.stream,
        length=loss.length,
        keeps=loss.keeps,
        freed_bytes=loss.freed_bytes,
        loses=loss.at_most,
        threshold=limit.trim_threshold,
        ceiling=limit.hard_maxlen if limit.protect_groups else None,
        held_by=loss.held_by,
    )


def prediction_from(record: Mapping[str, Any] | None) -> Prediction | None:
    """None for what another version wrote: a word that is missing is nothing to guess."""
    names = {field.name for field in fields(Prediction)}
    if not record or not names <= record.keys():
        return None
    return Prediction(**{name: record[name] for name in names})

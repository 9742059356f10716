"""Finds groups that nobody reads in any more, and destroys one for an operator who saw what that loses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import models, transaction
from django.utils.translation import gettext

from streams import store
from streams.engine.abandoned import AbandonedGroup, Needs, abandoned, needs_of, quiet_in_samples
from streams.engine.samples import GroupSample
from streams.engine.state import GroupState, StreamState
from streams.models import Stream
from streams.store import GroupShown
from tradeul_ops import audit
from tradeul_ops.connections import data_redis

ASKED_AT_ONCE = 200  # groups whose consumers are counted for one page


class NoSuchGroup(Exception):
    """The stream has no such group, or there is no such stream."""


class GroupActive(Exception):
    """Somebody used the group after it was shown; it was not destroyed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPreview:
    """What destroying a group would lose. `quiet`: it counts as abandoned; None where it does not."""

    stream: str
    name: str
    needs: Needs
    consumers: int
    quiet: AbandonedGroup | None
    shown: GroupShown
    read_at: datetime

    @property
    def quiet_sentence(self) -> str:
        return self.quiet.sentence(self.read_at) if self.quiet else ""


def abandoned_groups(
    states: Iterable[StreamState], *, newest: Mapping[str, Mapping[str, GroupSample]], now: datetime
) -> dict[str, tuple[AbandonedGroup, ...]]:
    """Stream → its abandoned groups; streams without any are missing. `newest`: each one's groups when last sampled.

    Asks Redis only about groups that their samples saw still for long enough, in one round trip. Raises StoreError.
    """
    after = settings.ABANDONED_GROUP_AFTER
    asked: dict[str, tuple[str, ...]] = {}
    by_name = {state.stream: state for state in states}
    for stream, state in by_name.items():
        left = ASKED_AT_ONCE - sum(map(len, asked.values()))
        if left > 0 and (names := quiet_in_samples(state, newest.get(stream, {}), now=now, after=after)[:left]):
            asked[stream] = names
    found = {
        stream: abandoned(by_name[stream], samples=newest[stream], idle=idle, now=now, after=after)
        for stream, idle in store.read_idle(data_redis(), asked).items()
    }
    return {stream: groups for stream, groups in found.items() if groups}


def preview_destroy(stream: str, name: str, *, newest: Mapping[str, GroupSample], now: datetime) -> GroupPreview:
    """Raises NoSuchGroup and StoreError."""
    client = data_redis()
    at_ms = store.read_clock(client, stream)  # before the rest: what happens after this refuses the destroying
    state = store.read_states(client, [stream])[stream]
    if isinstance(state, store.StreamError):
        raise state
    group = _group(state, name)
    idle = store.read_idle(client, {stream: [name]})[stream]
    quiet = abandoned(state, samples=newest, idle=idle, now=now, after=settings.ABANDONED_GROUP_AFTER)
    return GroupPreview(
        stream=stream,
        name=name,
        needs=needs_of(group, state=state),
        consumers=group.consumers,
        quiet=next(iter(quiet), None),
        shown=GroupShown(group.last_delivered_id, group.pending, at_ms),
        read_at=now,
    )


def destroy_group(stream: str, name: str, *, needs: Needs, shown: GroupShown, user_id: int) -> None:
    """Raises GroupActive where it was used since it was `shown`, NoSuchGroup where it is gone, and StoreError.

    The audit line says what it needed as it was shown. It is written first: what can't be recorded is not done.
    """
    with transaction.atomic():
        said = f"{_number(needs.unread)} unread, {needs.pending:,} pending"
        audit.record(
            user_id=user_id,
            row=_audited(stream),
            flag=audit.CHANGED,
            changes={f"group {name} of {stream}": (said, "destroyed")},
        )
        gone = store.destroy_group(data_redis(), stream, name, shown=shown)
        if gone is None:
            raise NoSuchGroup(gettext("{stream} has no group {name} any more.").format(stream=stream, name=name))
        if not gone:
            raise GroupActive(
                gettext("Not destroyed: somebody used {name} since this was shown. Look again.").format(name=name)
            )


def _audited(stream: str) -> models.Model:
    return Stream.objects.get_or_create(name=stream)[0]


def _group(state: StreamState, name: str) -> GroupState:
    for group in state.groups:
        if group.name == name:
            return group
    raise NoSuchGroup(gettext("{stream} has no group {name}.").format(stream=state.stream, name=name))


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"

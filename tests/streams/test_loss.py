"""engine.loss: what a change of a limit takes from groups, what it frees, and what nobody can say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis as redis_library

from streams import services, store
from streams.engine.limits import Limit
from streams.engine.loss import ANY_LOSS, Cut, LossPreview, preview_loss, unreadable
from streams.engine.state import GroupState, StreamState
from streams.store import groups
from tests.streams.factories import fill, make_group, make_limit, make_rule
from tradeul_ops.demo.servers import free_port

Redis = redis_library.Redis
NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
OPEN = make_limit(protect_groups=False)
PROTECTED = make_limit(hard_maxlen=1500)


def make_state(length: int = 1480, *given: GroupState, apart_ms: int = 1000) -> StreamState:
    """An entry every `apart_ms` until now, of 1,000 bytes each."""
    first = NOW_MS - (length - 1) * apart_ms
    return StreamState(
        stream="orders",
        exists=True,
        length=length,
        bytes=1000 * length,
        first_id=f"{first}-0",
        last_id=f"{NOW_MS}-0",
        groups=given,
    )


def make_lagging(name: str = "pricing", lag: int | None = 1480, pending: int = 0, last: str = "0-0") -> GroupState:
    return GroupState(name, lag, pending, 1, last)


def limit_of(maxlen: int, **changes: Any) -> Limit:
    return make_limit(maxlen=maxlen, protect_groups=False, **changes)


def preview(state: StreamState, new: Limit, *, old: Limit | None = OPEN, **facts: Any) -> LossPreview:
    return preview_loss(state, old=old, new=new, now=NOW, **facts)


def test_a_change_that_loses_nothing_unread_says_what_it_keeps_and_frees() -> None:
    said = preview(make_state(1000, make_lagging(lag=3)), limit_of(500))
    assert said.sentence == "Keeps about 8 min, 500 of 1,000 entries, frees about 0.5 MB, loses nothing unread."
    assert said.oldest_kept_age is not None
    assert abs(said.oldest_kept_age - timedelta(seconds=500)) <= timedelta(seconds=1)
    assert not said.needs_consent and said.allowed_by(0)


def test_what_a_group_has_not_read_is_counted_and_needs_consent() -> None:
    said = preview(make_state(1480, make_lagging()), limit_of(500))
    assert said.sentence.startswith("Group pricing loses 980 unread entries. Keeps about 8 min, 500 of 1,480 entries")
    assert (said.at_most, said.consent) == (980, 1080)
    assert [said.allowed_by(number) for number in (0, 979, 980, 1080)] == [False, False, True, True]


def test_protection_keeps_what_is_unread_up_to_the_ceiling() -> None:
    said = preview(make_state(1480, make_lagging()), make_limit(maxlen=500, hard_maxlen=1500), old=PROTECTED)
    assert (said.at_most, said.keeps, said.held_by, said.protected_until) == (0, 1480, "pricing", 1500)
    assert "loses nothing unread, and holds the rest for group pricing until 1,500" in said.sentence
    lower = preview(make_state(1480, make_lagging()), make_limit(maxlen=500, hard_maxlen=600), old=PROTECTED)
    assert (lower.at_most, lower.keeps, lower.needs_consent) == (880, 600, True)


def test_an_old_pending_entry_holds_a_protected_stream() -> None:
    group = make_lagging(lag=0, pending=1, last=f"{NOW_MS}-0")
    oldest = {"pricing": f"{NOW_MS - 900_000}-0"}
    said = preview(make_state(1000, group), make_limit(maxlen=500), old=PROTECTED, oldest_pending=oldest)
    assert 895 <= said.keeps <= 905 and said.held_by == "pricing"


def test_unknown_is_never_nothing() -> None:
    state = make_state(1480, make_lagging(lag=None, last=f"{NOW_MS - 10_000}-0"))
    unknown = preview(state, limit_of(500))
    assert unknown.groups[0].undelivered is None
    assert "is unknown: it may lose up to 980 entries." in unknown.sentence
    assert unknown.needs_consent and not unknown.allowed_by(0)
    # The place of the cut settles it: all that goes was given to the group already.
    settled = preview(state, limit_of(500), cut=Cut(f"{NOW_MS - 500_000}-0", {"pricing": 0}))
    assert (settled.groups[0].undelivered, settled.at_most) == (0, 0)


@pytest.mark.parametrize(
    ("cut", "pending", "at_most", "words"),
    [
        (None, None, 700, "is unknown: it may lose up to 700 entries."),
        (Cut("1-0", {"pricing": 12}), 12, 12, "loses 12 not acknowledged."),
        (Cut("1-0", {"pricing": 10_000}), 10_000, 20_000, "loses at least 10,000 not acknowledged, and at most 20,000"),
    ],
)
def test_pending_is_counted_up_to_a_bound(cut: Cut | None, pending: int | None, at_most: int, words: str) -> None:
    group = make_lagging(lag=0, pending=700 if at_most == 700 else 20_000, last=f"{NOW_MS}-0")
    said = preview(make_state(60_000, group), limit_of(500), cut=cut)
    assert (said.groups[0].pending, said.at_most) == (pending, at_most)
    assert words in said.sentence


@pytest.mark.parametrize(
    ("old", "new", "asked"),
    [
        (limit_of(400), limit_of(500), False),  # loses 980, but the limit in force loses 1,080
        (limit_of(500, enabled=False), limit_of(500), True),
        (limit_of(500), limit_of(500, enabled=False), False),
        (None, limit_of(500), True),
        (make_limit("trades", 500, protect_groups=False), limit_of(500), True),
        (make_limit(hard_maxlen=1400), limit_of(1400), False),
        (make_limit(hard_maxlen=1500), limit_of(1200), True),
    ],
)
def test_only_what_the_limit_in_force_would_leave_is_asked_about(old: Limit | None, new: Limit, asked: bool) -> None:
    assert preview(make_state(1480, make_lagging()), new, old=old).needs_consent is asked


def test_a_switched_off_limit_an_absent_stream_and_ids_that_are_no_times() -> None:
    state = make_state(1480, make_lagging())
    assert preview(state, limit_of(5, enabled=False)).sentence == "Keeps everything: the limit is switched off."
    absent = preview(StreamState(stream="orders"), limit_of(5))
    assert (absent.at_most, absent.oldest_kept_age, absent.freed_bytes) == (0, None, None)
    numbered = StreamState(stream="orders", exists=True, length=10, first_id="1-0", last_id="10-0")
    assert preview(numbered, limit_of(5)).oldest_kept_age is None
    assert "no group reads it" in preview(numbered, limit_of(5)).sentence


def test_a_redis_that_is_away_leaves_it_unknown() -> None:
    said = unreadable(old=OPEN, new=limit_of(5), problem="Redis does not answer: no.")
    assert said.needs_consent and not said.allowed_by(10**9) and said.allowed_by(ANY_LOSS)
    assert not unreadable(old=OPEN, new=limit_of(5000), problem="no").needs_consent


# --- on a real server ------------------------------------------------------------------------------------------------


def state_of(client: Redis, stream: str = "orders") -> StreamState:
    state = store.read_states(client, [stream])[stream]
    assert isinstance(state, StreamState)
    return state


@pytest.mark.parametrize("keep", [10, 500, 990])
def test_the_cut_is_found_from_either_end_in_steps(redis: Redis, monkeypatch: pytest.MonkeyPatch, keep: int) -> None:
    monkeypatch.setattr(groups, "ENTRIES_PER_STEP", 64)
    fill(redis, "orders", 1000)
    make_group(redis, "orders", "scanner", read=700, acknowledged=100)
    cut = store.read_cut(redis, state_of(redis), keep=keep)
    assert cut is not None
    assert cut.last_removed == f"{1000 - keep}-0"
    assert cut.pending == {"scanner": max(0, min(700, 1000 - keep) - 100)}


def test_a_cut_too_far_from_both_ends_is_unknown(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "ENTRIES_PER_STEP", 2)
    fill(redis, "orders", 1000)
    assert store.read_cut(redis, state_of(redis), keep=500) is None
    assert store.read_cut(redis, state_of(redis), keep=1000) is None  # nothing goes


def test_what_is_pending_but_gone_is_no_loss(redis: Redis) -> None:
    fill(redis, "orders", 1000)
    make_group(redis, "orders", "scanner", read=300)
    redis.xtrim("orders", minid="201-0", approximate=False)
    state = state_of(redis)
    cut = store.read_cut(redis, state, keep=500)
    assert cut == Cut("500-0", {"scanner": 100})
    assert store.read_oldest_pending(redis, state) == {"scanner": "201-0"}


def test_the_preview_says_what_a_trim_then_does(db: None, redis: Redis) -> None:
    """Each group's unread and pending, counted before and after the exact trim that the limit orders."""
    fill(redis, "orders", 1000)
    make_group(redis, "orders", "slow", read=100, acknowledged=50)
    make_group(redis, "orders", "late", start="650-0")  # its lag is unknown to the server
    redis.xgroup_create("orders", "done", "$")
    said = services.preview_rule(None, make_rule(maxlen=400, protect_groups=False, approximate=False), now=NOW)
    losses = {group.name: (group.undelivered, group.pending) for group in said.losses[0].groups}
    assert losses == {"slow": (500, 50), "late": (0, 0), "done": (0, 0)}
    redis.xtrim("orders", maxlen=400, approximate=False)
    assert len(redis.xreadgroup("slow", "c", {"orders": ">"})[0][1]) == 900 - 500
    assert len(redis.xreadgroup("late", "c", {"orders": ">"})[0][1]) == 350


def test_a_key_that_is_no_stream_loses_nothing_and_a_redis_away_says_so(db: None, redis: Redis, settings: Any) -> None:
    redis.set("test:string", "x")
    said = services.preview_rule(None, make_rule("test:string"), now=NOW)
    assert not said.needs_consent and "is no stream" in said.sentence
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    away = services.preview_rule(None, make_rule(), now=NOW)
    assert away.at_most is None and "Redis does not answer" in away.sentence


@pytest.mark.django_db
def test_while_somebody_types_only_the_longest_are_looked_into_and_saving_looks_into_all(redis: Redis) -> None:
    """A pattern may be for thousands of streams, and is previewed at each pause of the typing."""
    for number in range(6):
        fill(redis, f"trades:{number}", 100 + 50 * number)
        make_group(redis, f"trades:{number}", "slow")
    services.remember([f"trades:{number}" for number in range(6)])
    rule = make_rule("trades:*", 90, trim_threshold=90, protect_groups=False, hard_maxlen=None, approximate=False)
    typing = services.preview_rule(None, rule, now=NOW, most=2)
    assert [loss.stream for loss in typing.losses] == ["trades:5", "trades:4"]
    assert (len(typing.matched), typing.entries, typing.not_looked_into) == (6, 1350, 4)
    assert typing.sentence.startswith("Matches 6 streams with 1,350 entries")
    assert "4 more change their limit and were not looked into: saving does, and asks." in typing.sentence
    saving = services.preview_rule(None, rule, now=NOW)
    assert (len(saving.losses), saving.not_looked_into, saving.at_most) == (6, 0, 1350 - 6 * 90)
    assert not saving.allowed_by(typing.at_most or 0)  # what was shown of a part is no leave for the whole


@pytest.mark.django_db
def test_the_longest_that_lose_nothing_say_so_of_themselves_alone(redis: Redis) -> None:
    for number in range(3):
        fill(redis, f"trades:{number}", 10)
    services.remember([f"trades:{number}" for number in range(3)])
    said = services.preview_rule(None, make_rule("trades:*"), now=NOW, most=1)
    assert "The longest lose nothing unread." in said.sentence and "2 more change their limit" in said.sentence

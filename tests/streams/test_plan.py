"""engine.plan, engine.trimming, engine.state and engine.condition: every decision about a trim, without a server."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.condition import condition_of
from streams.engine.ids import EntryId
from streams.engine.plan import NODE_ENTRIES, Skip, Trim, plan_trim, to_read
from streams.engine.state import GroupState, StreamState, lag_of, state_from_reply
from streams.engine.trimming import SAFE_TRIM, Call, Trimming
from tests.streams.factories import make_limit


def state(length: int, *, size: int | None = None, stream: str = "orders") -> StreamState:
    return StreamState(stream=stream, exists=True, length=length, bytes=size)


# --- whether ---------------------------------------------------------------------------------------------------------


@given(st.integers(0, 5000), st.booleans(), st.booleans())
def test_a_trim_is_planned_past_maxlen_when_due_and_past_the_threshold_in_between(
    length: int, due: bool, exact: bool
) -> None:
    limit = make_limit(maxlen=1000, approximate=not exact)
    plan = plan_trim(state(length), limit=limit, due=due)
    assert isinstance(plan, Trim) == (length > (limit.maxlen if due else limit.trim_threshold))
    if isinstance(plan, Trim):
        assert (plan.maxlen, plan.hard_maxlen, plan.approximate) == (1000, 3000, not exact)


@given(
    length=st.integers(0, 5000),
    size=st.none() | st.integers(1, 10_000),
    oldest=st.integers(0, 7200),
    maxlen=st.none() | st.just(1000),
    max_age=st.none() | st.just(timedelta(hours=1)),
    max_bytes=st.none() | st.just(1_000_000),
    due=st.booleans(),
    held=st.booleans(),
    enabled=st.booleans(),
)
def test_what_is_not_read_would_change_no_plan(
    length: int,
    size: int | None,
    oldest: int,
    maxlen: int | None,
    max_age: timedelta | None,
    max_bytes: int | None,
    due: bool,
    held: bool,
    enabled: bool,
) -> None:
    now = 1_780_000_000_000
    bounds = {"max_age": max_age, "max_bytes": max_bytes, "enabled": enabled}
    limit = make_limit(**bounds)
    if maxlen is None:
        limit = replace(limit, maxlen=None, trim_threshold=None)
    first = f"{now - 1000 * oldest}-0" if length else None
    whole = replace(state(length, size=size and size * length), first_id=first, server_ms=now)
    plan = plan_trim(whole, limit=limit, due=due, held=held)
    asked = to_read(limit, length=length, due=due, held=held)
    if asked == "nothing":
        assert isinstance(plan, Skip)
    elif asked == "bytes":
        assert plan == plan_trim(state(length, size=whole.bytes), limit=limit, due=due, held=held)


@pytest.mark.parametrize(("length", "due", "trimmed"), [(2900, False, False), (2900, True, True), (3101, False, True)])
def test_a_held_stream_is_left_alone_between_intervals_up_to_its_ceiling(length: int, due: bool, trimmed: bool) -> None:
    assert isinstance(plan_trim(state(length), limit=make_limit(), due=due, held=True), Trim) == trimmed


def test_a_limit_that_is_off_and_a_stream_that_is_not_there_are_skipped_with_the_reason() -> None:
    assert plan_trim(state(9000), limit=make_limit(enabled=False), due=True) == Skip("its limit is switched off")
    assert plan_trim(StreamState(stream="orders"), limit=make_limit(), due=True) == Skip("there is no such stream")


def test_without_protection_there_is_no_ceiling() -> None:
    plan = plan_trim(state(9000), limit=make_limit(protect_groups=False), due=False)
    assert isinstance(plan, Trim)
    assert plan.hard_maxlen is None


@pytest.mark.parametrize(
    ("entry_bytes", "entries"),
    [(60, 1000), (1024, 1000), (12 * 1024, 341), (100 * 1024, NODE_ENTRIES), (9_000_000, NODE_ENTRIES), (None, 500)],
)
def test_a_bite_frees_some_four_megabytes_and_is_never_smaller_than_a_node(
    entry_bytes: int | None, entries: int
) -> None:
    plan = plan_trim(state(50_000, size=entry_bytes and 50_000 * entry_bytes), limit=make_limit(), due=False)
    assert isinstance(plan, Trim)
    assert plan.entries_per_call == entries


# --- how: a server in ten lines, whose nodes hold a fixed number of entries ------------------------------------------


@dataclass
class Server:
    length: int
    node: int
    needed: int = 0  # by a group: the newest entries

    def answer(self, call: Call) -> object:
        name, _, soft, hard, budget, mode, _, _ = call
        assert name == SAFE_TRIM
        needed = self.needed if hard else 0
        removed = self._remove(max(int(soft), needed), budget, exact=mode == "=")
        forced = self._remove(int(hard), int(budget) - removed, exact=False) if hard else 0
        lost = [[b"slow", forced, 0]] if forced else []
        return [removed, forced, self.length, b"5-0" if needed else b"", b"slow" if needed else b"", lost, None]

    def _remove(self, to: int, budget: int | None, *, exact: bool) -> int:
        above = max(0, self.length - to)
        if budget is not None:
            above = min(above, int(budget))
        removed = above if exact else above // self.node * self.node
        self.length -= removed
        return removed


def run(trimming: Trimming, server: Server) -> int:
    calls = 0
    while not trimming.done:
        trimming.take(server.answer(trimming.call()))
        calls += 1
        assert calls < 1000, "the trim does not end"
    return calls


@given(
    length=st.integers(1, 200_000),
    node=st.sampled_from([1, 4, 19, 100, 5000]),
    needed=st.integers(0, 5000),
    approximate=st.booleans(),
    protect=st.booleans(),
)
def test_a_trim_ends_at_maxlen_and_takes_no_more(
    length: int, node: int, needed: int, approximate: bool, protect: bool
) -> None:
    limit = make_limit(maxlen=1000, approximate=approximate, protect_groups=protect)
    plan = plan_trim(state(length), limit=limit, due=True)
    if isinstance(plan, Skip):
        return
    server = Server(length, node, min(needed, length) if protect else 0)
    trimming = Trimming(plan)
    run(trimming, server)
    assert trimming.length == server.length == length - trimming.trimmed
    kept = max(1000, min(server.needed, 3000)) if protect else 1000
    assert server.length >= min(length, kept) - (node if kept == 3000 else 0)
    assert server.length <= kept + max(NODE_ENTRIES, node if kept == 3000 else 0)
    assert (trimming.held_by == "slow") == (
        protect and server.needed > 0 and server.length > 1000 + (NODE_ENTRIES if approximate else 0)
    )


def test_fifty_thousand_entries_go_in_bites() -> None:
    """One `XTRIM ~` would stop at 10,000 removed and leave 40,003."""
    plan = plan_trim(state(50_003), limit=make_limit(protect_groups=False), due=False)
    assert isinstance(plan, Trim)
    trimming = Trimming(plan)
    assert run(trimming, Server(50_003, node=4)) == 99
    assert trimming.length == 1003


# --- what is known of a group ----------------------------------------------------------------------------------------

FIRST, LAST = EntryId(10, 0), EntryId(19, 0)


@pytest.mark.parametrize(
    ("said", "delivered", "length", "lag", "why"),
    [
        (3, 16, 10, 3, "as the server says"),
        (None, 16, 10, None, "unknown is not zero"),
        (None, 19, 10, 0, "all was delivered, whatever the server can compute"),
        (3, 19, 10, 0, "Redis 7.0 says 3 with nothing left"),
        (700, 5, 10, 10, "690 of them were trimmed unread"),
        (None, 5, 10, 10, "the first entry is still ahead"),
        (700, 16, 10, 10, "never more than there is"),
        (5, 0, 0, 0, "an empty stream"),
    ],
)
def test_a_lag_is_corrected_by_what_is_certain(
    said: int | None, delivered: int, length: int, lag: int | None, why: str
) -> None:
    first, last = (FIRST, LAST) if length else (None, LAST)
    assert lag_of(said, length=length, last_delivered=EntryId(delivered, 0), first=first, last=last) == lag, why


def test_groups_are_read_whatever_they_are_called() -> None:
    groups = [b"\xff", 2, 3, b"1-0", None, b"b", 0, 0, b"0-0", 1]  # 6.2 says no lag
    read = state_from_reply("orders", reply=[1, None, None, b"1-0", b"1-0", groups, None, [b"5", b"6000"]])
    assert read.groups == (GroupState("\\xff", 0, 3, 2, "1-0"), GroupState("b", 1, 0, 0, "0-0", 0))
    assert (read.entries_added, read.server_ms) == (None, 5006)


def test_no_answer_is_no_stream() -> None:
    assert state_from_reply("orders", reply=None) == StreamState(stream="orders", exists=False)


# --- the word --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "word"),
    [
        (0, "within"),
        (1000, "within"),
        (1100, "within"),
        (1101, "within"),
        (1201, "within"),
        (3101, "over"),
    ],
)
def test_words_of_an_approximate_limit(length: int, word: str) -> None:
    """The threshold is 1,200, past which the next sweep cuts within five seconds, and the ceiling 3,000."""
    assert condition_of(state(length), limit=make_limit()).word == word


def test_past_its_threshold_with_nobody_to_cut_it_is_over() -> None:
    past = state(1201)
    assert condition_of(past, limit=make_limit(), enforced=False).why.endswith("no sweep has run for a while.")
    assert condition_of(past, limit=make_limit(), ended_above=True).word == "over"
    assert condition_of(state(1200), limit=make_limit(), enforced=False, ended_above=True).word == "within"


def test_without_a_ceiling_twice_the_threshold_is_over() -> None:
    limit = make_limit(protect_groups=False, hard_maxlen=None, approximate=False)
    assert condition_of(state(2400), limit=limit).word == "within"
    assert condition_of(state(2401), limit=limit).word == "over"


def test_a_tiny_threshold_does_not_alarm_within_one_node() -> None:
    limit = make_limit(maxlen=100, trim_threshold=150, hard_maxlen=300)
    assert condition_of(state(199), limit=limit).word == "within"
    assert condition_of(state(401), limit=limit).word == "over"


def test_held_by_a_group_is_attention_until_the_ceiling_where_it_loses() -> None:
    held = condition_of(state(2500), limit=make_limit(), held_by="pricing")
    assert held.word == "attention"
    assert "pricing" in held.why
    assert "1,500 above maxlen" in held.why
    losing = condition_of(state(3000), limit=make_limit(), held_by="pricing")
    assert losing.word == "over"
    assert losing.why.startswith("Group pricing loses entries it has not read")
    assert condition_of(state(3101), limit=make_limit(), held_by="pricing").word == "over"


def test_a_limit_that_is_off_does_not_hide_what_is_over() -> None:
    off = make_limit(enabled=False)
    assert condition_of(state(9000), limit=off).word == "over"
    assert condition_of(state(900), limit=off).word == "within"


def test_what_could_not_be_read_is_unknown() -> None:
    assert condition_of(None, limit=make_limit()).word == "unknown"


def test_a_stream_that_is_not_there_is_within() -> None:
    assert (
        condition_of(StreamState(stream="orders"), limit=make_limit(trim_interval=timedelta(seconds=1))).word
        == "within"
    )

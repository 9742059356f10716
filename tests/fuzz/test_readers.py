"""Every reader of bytes, given what nearly fits: the documented error or a value, and never anything else."""

from __future__ import annotations

import copy
import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from snapshots.engine import chain, codec, frame
from snapshots.engine import policies as snapshot_policies
from snapshots.engine.errors import ChainBroken, DocumentUnreadable
from snapshots.engine.source import SourceUnreadable, changes_of_document, changes_of_fields
from snapshots.engine.state import to_records
from streams.engine import producers, wire
from streams.engine.rules import rule_errors
from tests.fuzz.conftest import examples
from tests.fuzz.values import anything, bent, changed, texts
from tests.snapshots import generators
from tests.snapshots.chains import build
from tests.streams.factories import make_rule

RECORDS = generators.market(5, tickers=6)
FIRST = build(None, RECORDS)
SECOND = build(FIRST.published, generators.tick(RECORDS, 1))
GONE, *STAYED = generators.tick(RECORDS, 2).items()
THIRD = build(SECOND.published, {**dict(STAYED), "NEW": GONE[1]})  # one ticker comes, one goes
assert FIRST.full is not None and SECOND.delta is not None and THIRD.delta is not None
FULL, SMALL, LARGE = (frame.unpack(one.stored) for one in (FIRST.full, SECOND.delta, THIRD.delta))
ROOM = 64 * 2**20  # the documents here are of some KB: what takes more was told to


def bounded(read: Callable[[], Any]) -> Any:
    """What `read` returns, having taken no more than ROOM at once."""
    tracemalloc.start()
    try:
        return read()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < ROOM, f"{peak:,} bytes"


@st.composite
def documents(draw: Any, raw: bytes) -> bytes:
    """Stored forms of `raw` with something changed in its JSON, in its text or in its frame."""
    level = draw(st.sampled_from(("json", "text", "frame")))
    if level == "json":
        value = copy.deepcopy(json.loads(raw))
        for _ in range(draw(st.integers(1, 3))):
            value = changed(draw, value)
        raw = json.dumps(value).encode()
    if level == "text":
        raw = bent(draw, raw)
    if draw(st.booleans()):
        return raw
    frame = zstandard.ZstdCompressor(write_checksum=draw(st.booleans())).compress(raw)
    return bent(draw, frame) if level == "frame" else frame


@given(stored=documents(FULL))
@examples(4)
def test_a_full_opens_or_is_refused(stored: bytes) -> None:
    try:
        opened = bounded(lambda: chain.open_full(codec.read(frame.unpack(stored))))
    except (DocumentUnreadable, ChainBroken):
        return
    assert to_records(opened.state) is not None


@pytest.mark.parametrize(("at", "raw"), [(FIRST.published, SMALL), (SECOND.published, LARGE)], ids=["small", "large"])
def test_a_delta_is_followed_or_refused_and_what_was_at_hand_stays(at: chain.Published, raw: bytes) -> None:
    before = to_records(at.state)

    @given(stored=documents(raw))
    @examples(4)
    def try_it(stored: bytes) -> None:
        try:
            followed = bounded(lambda: chain.follow(at, document=codec.read(frame.unpack(stored))))
        except (DocumentUnreadable, ChainBroken):
            followed = None
        assert followed is None or to_records(followed.state) is not None
        assert to_records(at.state) == before

    try_it()


@given(stored=st.binary(max_size=200))
@examples(4)
def test_bytes_are_no_document(stored: bytes) -> None:
    with pytest.raises((DocumentUnreadable, ChainBroken)):
        bounded(lambda: chain.open_full(codec.read(frame.unpack(stored))))


LIMIT = json.loads(wire.to_wire(make_rule("orders", 1000, max_age=timedelta(hours=1), max_bytes=10**6)))
PRODUCER = {"name": "p", "host": "h", "pid": 1, "version": 3, "seen_at": 1.7e9, "adds": 5}
POLICY = json.loads(snapshot_policies.to_wire(snapshot_policies.Policy()))


@st.composite
def texts_of(draw: Any, value: Any) -> bytes:
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        value = changed(draw, value)
    raw = json.dumps(value).encode()
    return bent(draw, raw) if draw(st.booleans()) else raw


@given(text=texts_of(LIMIT), key=texts)
@examples(4)
def test_a_limit_is_read_whole_or_refused(text: bytes, key: str) -> None:
    try:
        rule = bounded(lambda: wire.from_wire(text, key=key))
    except wire.WireError:
        return
    assert not rule_errors(rule)
    assert wire.from_wire(wire.to_wire(rule), key=key) == rule


@given(text=texts_of(PRODUCER), id=texts)
@examples(4)
def test_a_heartbeat_is_read_or_none(text: bytes, id: str) -> None:
    seen = bounded(lambda: producers.from_wire(text, id=id))
    if seen is not None:
        assert seen.seen_at.tzinfo is UTC
        assert seen.seen_at <= datetime.max.replace(tzinfo=UTC)
        producers.producers_sentence([seen], version=1).encode()


@given(text=texts_of(POLICY))
@examples(4)
def test_a_snapshot_policy_is_read_or_refused(text: bytes) -> None:
    try:
        policy = bounded(lambda: snapshot_policies.from_wire(text, name="enriched"))
    except snapshot_policies.WireError:
        return
    snapshot_policies.to_wire(policy)


@given(value=anything, raw=st.binary(max_size=60))
@examples(4)
def test_a_source_is_published_or_refused(value: Any, raw: bytes) -> None:
    for text in (json.dumps(value).encode(), raw):
        for read in (
            lambda text=text: changes_of_document(text, published={"A": 0}, source="s"),
            lambda text=text: changes_of_fields(
                {b"A": text, raw: b"{}"}, raw_before={}, published={"A": 0}, source="s"
            ),
        ):
            try:
                bounded(read)
            except SourceUnreadable as error:
                assert str(error).startswith("s: ")

"""What a reader refuses: gaps, other epochs, damage, states that are not the writer's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshots.engine import chain, codec, frame
from snapshots.engine.build import Build
from snapshots.engine.errors import ChainBroken, DocumentUnreadable
from snapshots.engine.state import from_records
from tests.snapshots.chains import build, follow


def ticked() -> tuple[chain.Published, list[Build]]:
    built = build(None, {"A": {"p": 1.5, "s": "x"}, "B": {"p": 2.25, "s": "y"}})
    start, deltas = built.published, []
    for number in range(1, 4):
        built = build(built.published, {"A": {"p": 1.5 + number, "s": "x"}, "B": {"p": 2.25, "s": "y"}})
        deltas.append(built)
    return start, deltas


def test_a_gap_an_epoch_and_another_base_are_refused() -> None:
    start, deltas = ticked()
    with pytest.raises(ChainBroken, match="a gap, the state is at 1 and the delta is 3"):
        follow(start, deltas[1])
    other = build(None, {"A": {"p": 1}}, new_epoch="e2").published
    with pytest.raises(ChainBroken, match="a new epoch e1 began; the state at hand is of e2"):
        follow(other, deltas[0])
    full = build(start, {"A": {"p": 1.5, "s": "x"}, "B": {"p": 2.25, "s": "y"}}, now_ms=300_000).published
    with pytest.raises(ChainBroken, match="numbers its rows by full 1, the state by 2"):
        follow(full, deltas[1])


def test_a_state_that_is_not_the_writers_is_refused_by_its_checksum() -> None:
    _, deltas = ticked()
    for damaged in ({"A": {"p": 1.75, "s": "x"}}, {"B": {"p": 2.25, "s": "z"}}):
        wrong = from_records({"A": {"p": 1.5, "s": "x"}, "B": {"p": 2.25, "s": "y"}} | damaged)
        astray = chain.Published(wrong, "test", "e1", 1, 1, 0, 0, "exact", "")
        with pytest.raises(ChainBroken, match="the writer's was"):
            follow(astray, deltas[0])


@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=100)
def test_a_flipped_byte_never_gives_a_wrong_state(where: int, flip: int) -> None:
    start, deltas = ticked()
    assert deltas[0].delta is not None
    for stored in (deltas[0].delta.stored, frame.unpack(deltas[0].delta.stored)):
        damaged = bytearray(stored)
        damaged[where % len(stored)] ^= flip
        try:
            reader = chain.follow(start, document=codec.read(frame.unpack(bytes(damaged))))
        except (ChainBroken, DocumentUnreadable):
            continue
        assert reader.state == deltas[0].published.state


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"v":2}',
        frame.MAGIC + b"no frame",
        b'{"v":1,"kind":"other","name":"n","epoch":"e","seq":1,"base":1,"ts":0,"profile":"exact","checksum":"0"}',
        b"[" * 100_000,
    ],
)
def test_bytes_that_are_no_document_are_refused(raw: bytes) -> None:
    with pytest.raises(DocumentUnreadable):
        codec.read(frame.unpack(raw))


def test_small_documents_are_stored_as_they_are() -> None:
    assert frame.pack(b'{"small":1}', level=9, threshold=100) == b'{"small":1}'
    assert frame.pack(b'{"v":1}' * 50, level=9, threshold=100).startswith(frame.MAGIC)

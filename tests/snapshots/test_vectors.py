"""The test vectors: what the writer writes is what they say, and two readers in Python rebuild the same from them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshots.engine import chain, codec, frame
from snapshots.engine.errors import ChainBroken, DocumentUnreadable
from snapshots.engine.state import to_records
from tests.snapshots import generators, independent
from tests.snapshots.chains import build, exact
from tests.snapshots.make_vectors import SAFE, VECTORS, all_vectors, with_big

INDEX = json.loads((VECTORS / "index.json").read_text())
FILES = [entry["file"] for entry in INDEX]


class Ours:
    """The project's reader, in the words of the vectors."""

    at: chain.Published | None = None

    def take(self, stored: bytes) -> str:
        try:
            document = codec.read(frame.unpack(stored))
            full = self.at is None or document.header.kind == "full"
            self.at = chain.open_full(document) if full else chain.follow(self.at, document=document)
        except ChainBroken:
            return "broken"
        except DocumentUnreadable:
            return "unreadable"
        return ""

    def says(self) -> Any:
        assert self.at is not None
        return self.at.sequence, self.at.base, to_records(self.at.state)


class Independent:
    def __init__(self) -> None:
        self.reader = independent.Reader()

    def take(self, stored: bytes) -> str:
        try:
            self.reader.take(stored)
        except independent.Broken:
            return "broken"
        except independent.Unreadable:
            return "unreadable"
        return ""

    def says(self) -> Any:
        return self.reader.seq, self.reader.base, self.reader.records()


def bytes_of(step: dict[str, Any]) -> bytes:
    if "base64" in step:
        return base64.b64decode(step["base64"])
    return (step["text"] if "text" in step else json.dumps(step["document"])).encode()


def without_big(value: Any) -> Any:
    if isinstance(value, list):
        return [without_big(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"big"} and abs(int(value["big"])) > SAFE:
        return int(value["big"])
    return {key: without_big(item) for key, item in value.items()}


@pytest.mark.parametrize("reader", [Ours, Independent])
@pytest.mark.parametrize("file", FILES)
def test_a_reader_has_what_the_vectors_say(file: str, reader: Any) -> None:
    reading = reader()
    steps = json.loads((VECTORS / file).read_text())["steps"]
    for number, step in enumerate(steps):
        before = reading.says() if number else None
        assert reading.take(bytes_of(step)) == step.get("error", ""), f"{file}, step {number}"
        if "error" in step:
            assert reading.says() == before, f"{file}, step {number}: the reader moved"
        else:
            sequence, base, records = reading.says()
            assert (sequence, base) == (step["sequence"], step["base"])
            assert exact(records) == exact(without_big(step["records"])), f"{file}, step {number}"


def test_the_vectors_are_what_is_written_today() -> None:
    """A difference is another format: readers in the field need a new version number, or the writer a repair."""
    made = list(all_vectors())
    assert [f"{name}.json" for name, _, _ in made] == FILES
    for name, about, steps in made:
        kept = json.loads((VECTORS / f"{name}.json").read_text())
        assert kept["about"] == about
        for number, (now, then) in enumerate(zip(steps, kept["steps"], strict=True)):
            if "base64" in then:  # another release of zstd may compress otherwise
                now, then = ({key: value for key, value in step.items() if key != "base64"} for step in (now, then))
            assert json.loads(json.dumps(now)) == then, f"{name}, step {number}"


@given(
    st.lists(
        st.tuples(st.sampled_from([5, 5, 300]), st.one_of(generators.snapshots, generators.quiet_snapshots)),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=150, deadline=None)
def test_the_independent_reader_has_what_any_source_said(snapshots: list[tuple[int, dict[str, Any]]]) -> None:
    reader, published, now_ms = Independent(), None, 0
    for seconds, records in snapshots:
        now_ms += seconds * 1000
        built = build(published, records, now_ms=now_ms)
        published = built.published
        part = built.delta or built.full
        assert part is not None
        assert reader.take(part.stored) == ""
        assert exact(with_big(reader.says()[2])) == exact(with_big(records))


def test_the_documents_example_is_the_vector(repository: Any) -> None:
    """The worked example of docs/snapshot-format.md, line by line, is vectors/example.json."""
    text = (repository / "docs" / "snapshot-format.md").read_text()
    section = text.split("## A worked example")[1].split("\n## ")[0]
    lines = [json.loads(line) for line in section.splitlines() if line.startswith("{")]
    steps = json.loads((VECTORS / "example.json").read_text())["steps"]
    assert lines == [value for step in steps for value in (step["document"], step["records"])]

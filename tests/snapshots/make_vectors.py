"""Writes tests/snapshots/vectors: chains of documents and what a reader has after each. Run it when the format changes.

    python -m tests.snapshots.make_vectors

vectors/index.json lists {"file", "about"}. A file is {"about", "steps"}; a reader begins with nothing and takes the
steps in order. A step gives one document in one of three ways:

document   parsed JSON
text       JSON as text, for what is wrong with it
base64     the bytes as Redis stores them: a zstd frame, or JSON

and what follows from it, one of:

records    symbol → record, of the state after it, with its "checksum", "sequence" and "base"; an integer beyond
           ±(2^53 − 1) stands as {"big": "digits"}
error      why it is refused: "unreadable", or "broken" for a gap, another epoch, base or checksum. The state stays.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from snapshots.engine import frame
from snapshots.engine.cells import SAFE
from snapshots.engine.chain import Published
from snapshots.engine.state import to_records
from tests.snapshots.chains import Records, build

VECTORS = Path(__file__).with_name("vectors")
FULL_DUE = 300_000
Step = dict[str, Any]

EXAMPLE: list[tuple[int, Records]] = [
    (0, {"AAPL": {"price": 227.5, "day": {"v": 1200}}, "MSFT": {"price": 415.02, "day": {"v": 900}}}),
    (5_000, {"AAPL": {"price": 227.52, "day": {"v": 1300}}, "MSFT": {"price": 415.02, "day": {"v": 900}}}),
    (10_000, {"AAPL": {"price": None, "day": {"v": 1300}}, "NVDA": {"price": 181, "day": {"v": 2500}}}),
    (300_000, {"AAPL": {"price": 228, "day": {"v": 1400}}, "NVDA": {"price": 181.25, "day": {"v": 2600}}}),
    (305_000, {"AAPL": {"price": 228.01, "day": {"v": 1400}}, "NVDA": {"price": 181.25, "day": {"v": 2600}}}),
]

_NUMBERS: list[list[Any]] = [
    [1, 1.5, 0.1, 2**53 - 1, 2**53, 1755612345678901234, -(2**70), 1e17, 123456.12345678, 5e-324, 0],
    [1.5, 1, 0.2, 2**53, 2**53 - 1, 1755612345678901239, -(2**70) + 1, 1e23, 123456.12345679, 1e308, -0.0],
    [-3, 1.25, 0.30000000000000004, -(2**53), 1e16, 1755612345678900000, 7, 1e21, -0.00000001, 0.1, 2.5],
]

CHAINS: dict[str, tuple[str, list[tuple[int, Records]]]] = {
    "example": ("The worked example of docs/snapshot-format.md.", EXAMPLE),
    "numbers": (
        "Integers of any size, doubles, decimals that are exact and others; each becomes the next.",
        [
            (at * 5_000, {f"N{row}": {"x": value, "y": {"z": value}} for row, value in enumerate(values)})
            for at, values in enumerate(_NUMBERS)
        ],
    ),
    "kinds": (
        "Missing, null and a value are three things; one column of mixed kinds; lists and empty objects are leaves.",
        [
            (0, {"A": {"x": 1, "m": True, "o": {}}, "B": {"x": None, "m": "1", "o": {"k": 1}}, "C": {"m": [1, None]}}),
            (1, {"A": {"x": None, "m": 1}, "B": {"x": 2, "m": None, "o": {}}, "C": {"x": False, "m": [1, 2**60]}}),
            (2, {"A": {"x": "", "m": [[], {"k": [2**64]}]}, "B": {"m": 1}, "C": {"x": 0, "m": {"k": {}}}}),
            (FULL_DUE, {"A": {"x": [1.0, -0.0, 1e23], "m": 1}, "B": {"m": 1.5}, "C": {"x": 0, "m": None}}),
        ],
    ),
    "names": (
        "Dots and backslashes in keys, symbols in other scripts, half a surrogate pair, an empty symbol and key.",
        [
            (0, {"BRK.B": {"a.b": 1, "a": {"b": 2}}, "ÑANDÚ": {"\\": {".": 3}}, "": {"": {"": "x"}}}),
            (1, {"BRK.B": {"a.b": 2, "a": {"b": 2}}, "株📈": {"x\\.y": "\ud800", "n": '\u2028\x00\x7f"'}, "": {}}),
            (2, {"BRK.B": {"a.b": 2, "a": {"b": 3}}, "株📈": {"x\\.y": ["\ud800\n"], "n": "é"}}),
        ],
    ),
    "rows": (
        "Nothing, one ticker, one that goes and comes back, and a full that puts all into another order.",
        [
            (0, {}),
            (1, {"A": {"volume": 1}}),
            (2, {"A": {"volume": 2}, "B": {"volume": 2.5}, "C": {"volume": None}, "D": {"volume": 9}}),
            (3, {"B": {"volume": 2.5}, "C": {"volume": 4}, "D": {"volume": 9}}),
            (4, {"A": {"volume": 7}, "B": {"volume": 2.5}, "C": {"volume": 4}, "D": {"volume": 9}}),
            (FULL_DUE, {"A": {"volume": 7}, "C": {"volume": "none"}, "D": {"volume": 7}}),
            (FULL_DUE + 1, {"A": {"volume": 8}, "C": {"volume": 1}, "D": {"volume": 7}}),
            (FULL_DUE + 2, {}),
        ],
    ),
    "schema": (
        "A field appears: a full that no delta leads over. Readers read it.",
        [
            (0, {"A": {"price": 1}}),
            (1, {"A": {"price": 2, "halted": False}}),
            (2, {"A": {"halted": True}}),
        ],
    ),
}


def chain_steps(snapshots: list[tuple[int, Records]]) -> Iterator[tuple[Step, Published, bytes]]:
    published: Published | None = None
    for at, records in snapshots:
        built = build(published, records, now_ms=1_773_066_600_000 + at)
        part = built.delta or built.full
        assert part is not None
        published = built.published
        yield expected(published, checksum=published.checksum), published, part.stored


def expected(published: Published, *, checksum: str) -> Step:
    return {
        "sequence": published.sequence,
        "base": published.base,
        "checksum": checksum,
        "records": with_big(to_records(published.state)),
    }


def with_big(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: with_big(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_big(item) for item in value]
    if type(value) is int and not -SAFE <= value <= SAFE:
        return {"big": str(value)}
    return value


def chains() -> Iterator[tuple[str, str, list[Step]]]:
    for name, (about, snapshots) in CHAINS.items():
        steps = [{"document": json.loads(frame.unpack(stored)), **step} for step, _, stored in chain_steps(snapshots)]
        yield name, about, steps


def stored() -> list[Step]:
    """The example again, in the bytes that Redis has; the last one is too small to be compressed."""
    steps = []
    for number, (step, _, document) in enumerate(chain_steps(EXAMPLE)):
        raw = frame.unpack(document)
        packed = raw if number == len(EXAMPLE) - 1 else frame.pack(raw, level=9, threshold=0)
        steps.append({"base64": base64.b64encode(packed).decode(), **step})
    return steps


def damaged() -> list[Step]:
    made = list(chain_steps(EXAMPLE))
    full, delta, later = (json.loads(frame.unpack(document)) for _, _, document in made[:3])
    packed = frame.pack(json.dumps(delta).encode(), level=9, threshold=0)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0x10
    bomb = zstandard.ZstdCompressor(level=19, write_content_size=True).compress(b" " * (frame.MAX_DOCUMENT_BYTES + 1))
    compress = zstandard.ZstdCompressor(level=1, write_content_size=False).compressobj()
    endless = compress.compress(b" " * 100_000) + compress.flush()

    def changed(document: Any, **members: Any) -> Step:
        return {**copy.deepcopy(document), **members}

    def damaged_groups(**group: Any) -> Step:
        return changed(delta, groups=[{**delta["groups"][0], **group}])

    broken = [
        changed(later),
        changed(delta, epoch="other"),
        changed(delta, base=0),
        changed(delta, checksum="00000000"),
        changed(delta, remove=[0]),
    ]
    unreadable: list[Step] = [
        *(
            {"document": document}
            for document in (
                changed(delta, v=2),
                changed(delta, kind="other"),
                {key: value for key, value in delta.items() if key != "groups"},
                damaged_groups(rows=[7]),
                damaged_groups(rows=[-1]),
                damaged_groups(rows=[0, 0]),
                damaged_groups(columns={"price": {"d": 400, "v": [2]}}),
                damaged_groups(columns={"price": {"d": 2, "v": [2, 2]}}),
                damaged_groups(columns={"price": [1, 2]}),
                changed(delta, remove=[5]),
                changed(delta, add={"symbols": ["AAPL"], "columns": {}}),
                changed(delta, add={"symbols": ["X", "X"], "columns": {}}),
                [],
            )
        ),
        *({"text": text} for text in ("", "{", json.dumps(delta)[:-9], '{"v":1}', "[" * 5_000)),
        *(
            {"base64": base64.b64encode(document).decode()}
            for document in (packed[:-1], packed[: len(packed) // 2], bytes(flipped), packed + b"more", bomb, endless)
        ),
    ]
    return [
        {"document": full, **made[0][0]},
        *({"document": document, "error": "broken"} for document in broken),
        *({**step, "error": "unreadable"} for step in unreadable),
        {"document": delta, **made[1][0]},
    ]


def all_vectors() -> Iterator[tuple[str, str, list[Step]]]:
    yield from chains()
    yield "stored", "The example in the bytes that Redis has: zstd frames, and JSON where that is small.", stored()
    yield "damaged", "What a reader refuses, and goes on from where it stood.", damaged()


def main() -> None:
    index = []
    for name, about, steps in all_vectors():
        index.append({"file": f"{name}.json", "about": about})
        lines = ",\n".join(json.dumps(step) for step in steps)
        text = f'{{"about": {json.dumps(about, ensure_ascii=False)}, "steps": [\n{lines}\n]}}\n'
        (VECTORS / f"{name}.json").write_text(text)
    (VECTORS / "index.json").write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

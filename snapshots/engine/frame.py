"""A document's JSON to what is stored, and back: one zstd frame. Refuses what would take too much memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import zstandard

from snapshots.engine.errors import DocumentUnreadable, Unpublishable
from snapshots.engine.weight import MAX_PARSED_BYTES, is_too_heavy

MAGIC = b"\x28\xb5\x2f\xfd"  # a document stored without compression starts with a brace
MAX_DOCUMENT_BYTES = 64 * 2**20  # twice what 100,000 tickers of 47 fields take


def pack(raw: bytes, *, level: int, threshold: int) -> bytes:
    """One zstd frame with content checksum; `raw` itself below `threshold` bytes. Raises Unpublishable."""
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise Unpublishable(f"a document of {len(raw):,} bytes, and readers read {MAX_DOCUMENT_BYTES:,} at most.")
    if is_too_heavy(raw):
        raise Unpublishable(f"a document of {len(raw):,} bytes would take its readers more than {MAX_PARSED_BYTES:,}.")
    if len(raw) < threshold:
        return raw
    return zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=True).compress(raw)


def unpack(stored: bytes) -> bytes:
    """Takes no more memory than MAX_DOCUMENT_BYTES, whatever the frame says. Raises DocumentUnreadable."""
    if (size := size_of(stored)) > MAX_DOCUMENT_BYTES:
        raise DocumentUnreadable(f"a document of {size:,} bytes; at most {MAX_DOCUMENT_BYTES:,} are read.")
    if not stored.startswith(MAGIC):
        return stored
    with _whole_frame(stored):
        return zstandard.ZstdDecompressor().decompress(stored, allow_extra_data=False)


def size_of(stored: bytes) -> int:
    """How many bytes `unpack` gives, as the frame says. Raises DocumentUnreadable."""
    if not stored.startswith(MAGIC):
        return len(stored)
    with _whole_frame(stored):
        size: int = zstandard.frame_content_size(stored)
    if size < 0:
        raise DocumentUnreadable(f"a zstd frame of {len(stored):,} bytes does not say how much it holds.")
    return size


@contextmanager
def _whole_frame(stored: bytes) -> Iterator[None]:
    try:
        yield
    except zstandard.ZstdError as error:
        raise DocumentUnreadable(f"these {len(stored):,} bytes are no whole zstd frame: {error}") from error

"""Writes rows into the platform's tables by COPY. For other services: needs psycopg and orjson, and no Django."""

from timescale.ingest.client import copy_rows, merge_rows
from timescale.ingest.errors import DuplicateRows, IngestError
from timescale.ingest.tables import SCANS, VOLUME_SLOTS, Table

__all__ = ["SCANS", "VOLUME_SLOTS", "DuplicateRows", "IngestError", "Table", "copy_rows", "merge_rows"]

"""Decides from one row of the catalogue which edition of TimescaleDB a database has. Asks no server itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Edition(StrEnum):
    COMMUNITY = "community"
    APACHE = "apache"
    NONE = "none"

    @property
    def has_hypertables(self) -> bool:
        return self is not Edition.NONE


@dataclass(frozen=True)
class Detection:
    """What the detection query answered (store.catalog)."""

    available: str | None  # the version that CREATE EXTENSION would install
    installed: str | None
    preloaded: bool
    licence: str | None
    can_create: bool

    @property
    def edition(self) -> Edition:
        # `installed` first: without the extension the licence is whatever the configuration file says.
        if self.installed is None:
            return Edition.NONE
        return Edition.COMMUNITY if self.licence == "timescale" else Edition.APACHE

    @property
    def can_install(self) -> bool:
        # Available but not preloaded: CREATE EXTENSION would be a FATAL that closes the connection.
        return self.installed is None and self.available is not None and self.preloaded and self.can_create

    @property
    def edition_to_be(self) -> Edition:
        """The edition once CREATE EXTENSION has run. An unset licence is the default one, which is Community's."""
        if not self.can_install:
            return self.edition
        return Edition.COMMUNITY if self.licence in (None, "timescale") else Edition.APACHE

    @property
    def means(self) -> str:
        """In a sentence or two, for the person who wonders who does the work here."""
        newer = ""
        if self.installed is not None and self.available not in (None, self.installed):
            newer = (
                f" The server offers {self.available}, this database is on {self.installed}: "
                "ALTER EXTENSION timescaledb UPDATE."
            )
        match self.edition:
            case Edition.COMMUNITY:
                return f"TimescaleDB's own jobs compress, refresh and drop.{newer}"
            case Edition.APACHE:
                return (
                    "Beat drops whole chunks; compression, refreshed aggregates and jobs need the Community edition."
                    f"{newer}"
                )
        if self.available is None:
            return (
                "Plain PostgreSQL: beat deletes old rows in batches; nothing is compressed, aggregates are plain views."
            )
        if not self.preloaded:
            hindrance = "it is not in shared_preload_libraries"
        elif not self.can_create:
            hindrance = "this role may not create extensions here"
        else:
            hindrance = "the extension is not created in this database"
        return f"TimescaleDB {self.available} is here, but {hindrance}; until then beat deletes old rows in batches."

"""Turns what the driver raises into errors that name the table. By SQLSTATE: the texts differ between versions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError


class TimescaleError(Exception):
    """Something PostgreSQL or TimescaleDB refused. The message names the table or view, and the cause."""

    meaning = "refused"

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"{name}: {self.meaning}. {cause}")
        self.name = name


class RelationMissing(TimescaleError):
    meaning = "there is no such table or view"


class NotAHypertable(TimescaleError):
    meaning = "it is not a hypertable"


class NotSupported(TimescaleError):
    meaning = "this edition, or the state of the table, does not allow it"


class InvalidPolicy(TimescaleError):
    meaning = "the server does not accept these values"


class NotAdoptable(TimescaleError):
    meaning = "the table that stands can't become the one wanted without a loss; nothing was changed"


class NotPermitted(TimescaleError):
    meaning = "the role of DATABASE_URL may not do that"


class Locked(TimescaleError):
    meaning = "somebody else holds a lock on it; the next tick tries again"


class ServerAway(TimescaleError):
    meaning = "PostgreSQL does not answer"


class WrongLibrary(TimescaleError):
    meaning = (
        "the server does not have the library of this database's version of TimescaleDB, so it refuses every query. "
        "ALTER EXTENSION timescaledb UPDATE, the first statement of a session (psql -X), brings it to the server's"
    )


_BY_SQLSTATE: dict[str, type[TimescaleError]] = {
    "42P01": RelationMissing,
    "TS001": NotAHypertable,
    "42704": NotAHypertable,
    "0A000": NotSupported,
    "42883": NotSupported,  # the function of an extension that is not installed
    "22023": InvalidPolicy,
    "22007": InvalidPolicy,
    "42501": NotPermitted,
    "58P01": WrongLibrary,
    "55P03": Locked,
    "40P01": Locked,
    "57P01": ServerAway,
    "57P02": ServerAway,
    "57P03": ServerAway,
}


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Inside, a driver's error becomes a TimescaleError about `name`."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        raise named(name, error) from error


def named(name: str, error: DatabaseError | InterfaceError) -> TimescaleError:
    """The TimescaleError about `name` that a driver's error is."""
    sqlstate: str | None = getattr(error.__cause__, "sqlstate", None)
    kind = ServerAway if sqlstate is None else _BY_SQLSTATE.get(sqlstate, TimescaleError)
    primary = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return kind(name, f"{primary} ({sqlstate or 'no answer'})")

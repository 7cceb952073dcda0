"""Connections to the ledger's database: SQLite or PostgreSQL, by URL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from twotier.errors import ConfigurationError, LedgerSealed

BUSY_SECONDS = 60
"""How long a SQLite writer waits for another: a publish to a far store holds the lock while it uploads."""

_LOCK = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7216100)"}
"""The first statement of every write, by database: it waits until no other write is under way. The number is this ledger's own."""


def connect(url: str) -> Engine:
    """Make an engine for the URL; it connects when it is first used. Raises ConfigurationError if the URL makes no sense."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in _LOCK:
            raise ArgumentError(f"the ledger may be in sqlite or postgresql, not in {parsed.get_backend_name()}")
        engine = create_engine(parsed, pool_pre_ping=True)
        if engine.dialect.name == "sqlite":
            Path(parsed.database or "").parent.mkdir(parents=True, exist_ok=True)
            event.listen(engine, "connect", _prepare_sqlite)
    except (ArgumentError, ImportError, OSError) as error:
        raise ConfigurationError(f"setting ledger_url of [registry] (in the environment REGISTRY_LEDGER_URL): {error}") from error
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction, alone: no other write is under way. Committed at the end of the block, rolled back if it raises.

    Raises LedgerSealed if the ledger can only be read.
    """
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(_LOCK[engine.dialect.name])
            yield connection
    except OperationalError as error:
        if not _is_read_only(error.orig):
            raise
        raise LedgerSealed(
            f"the ledger {engine.url.render_as_string()} can only be read, as in an image: set TWOTIER_DATA or REGISTRY_LEDGER_URL to"
            " where the versions are made"
        ) from error


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # The driver must not begin transactions by itself: `_LOCK` does.
    connection.isolation_level = None
    for pragma in (f"busy_timeout = {BUSY_SECONDS * 1000}", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    # A ledger in an image can only be read, and was exported without a write-ahead log. Any other trouble shows at the next statement.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")


def _is_read_only(error: BaseException | None) -> bool:
    return isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY

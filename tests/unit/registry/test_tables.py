"""Times in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import DateTime, Dialect, create_engine, literal, select
from sqlalchemy.dialects import registry

from twotier.registry.tables import UtcDateTime

SQLITE: Dialect = registry.load("sqlite")()
POSTGRESQL: Dialect = registry.load("postgresql")()
MOMENT = datetime(2026, 11, 21, 1, 2, 3, 45, tzinfo=timezone(timedelta(hours=2)))


def test_sqlite_round_trip() -> None:
    """SQLite, which knows no zones, gives back the same moment, aware and in UTC, and stores it as text that says so."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        raw = connection.exec_driver_sql("SELECT ?", ("2026-11-20T23:02:03.000045Z",)).scalar()
        found = connection.scalar(select(literal(MOMENT, UtcDateTime())))
    engine.dispose()
    bound = UtcDateTime().dialect_impl(SQLITE).bind_processor(SQLITE)
    assert bound is not None
    assert raw == bound(MOMENT)
    assert (MOMENT, UTC) == (found, found and found.tzinfo)


@pytest.mark.parametrize(("dialect", "zoned"), [(POSTGRESQL, True), (SQLITE, False)])
def test_type(dialect: Dialect, zoned: bool) -> None:
    """PostgreSQL uses its own type with a zone."""
    kind = UtcDateTime().load_dialect_impl(dialect)
    assert isinstance(kind, DateTime)
    assert zoned == kind.timezone


def test_none() -> None:
    """No time stays no time."""
    assert UtcDateTime().process_bind_param(None, SQLITE) is None
    assert UtcDateTime().process_result_value(None, SQLITE) is None

"""Connections to the ledger's database."""

from __future__ import annotations

from pathlib import Path

import pytest

from twotier.errors import ConfigurationError
from twotier.registry.database import connect, writing
from twotier.registry.ledger import Ledger


def test_sqlite_is_prepared(tmp_path: Path) -> None:
    """SQLite runs with a write-ahead log, waits for other writers, and holds references together; its folder is made."""
    engine = connect(f"sqlite:///{tmp_path}/new/ledger.sqlite")
    with engine.connect() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "busy_timeout", "foreign_keys")]
    engine.dispose()
    assert ["wal", 60_000, 1] == found


def test_postgresql_connects_when_used() -> None:
    """A PostgreSQL URL takes the psycopg driver."""
    engine = connect("postgresql://me@127.0.0.1:1/ledger")
    assert "psycopg" == engine.dialect.driver


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://me@db/ledger", "sqlite or postgresql, not in mysql"),
        ("nonsense", "REGISTRY_LEDGER_URL"),
        ("postgresql+absent://me@db/ledger", "absent"),
        ("sqlite:////proc/none/ledger.sqlite", "/proc/none"),
    ],
)
def test_refused_urls(url: str, message: str) -> None:
    """A URL that cannot be used is refused with the setting's name."""
    with pytest.raises(ConfigurationError, match="ledger_url") as refused:
        connect(url)
    assert message in str(refused.value)


def test_no_database(tmp_path: Path) -> None:
    """A file that is no database is named, in one line."""
    (tmp_path / "ledger.sqlite").write_text("not a database, and long enough to be seen as none" * 100)
    with pytest.raises(ConfigurationError, match="ledger.sqlite .setting ledger_url of .registry.. cannot be opened: .*not a database"):
        Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")


def test_password_is_not_shown() -> None:
    """A server that cannot be reached is named, without its password."""
    with pytest.raises(ConfigurationError, match="cannot be opened") as refused:
        Ledger("postgresql://me:secret@127.0.0.1:1/ledger")
    assert "secret" not in str(refused.value)


def test_write_rolls_back(tmp_path: Path) -> None:
    """A write that raises leaves nothing, tables included; one that does not stays."""
    engine = connect(f"sqlite:///{tmp_path}/ledger.sqlite")
    for name, fails in (("bad", True), ("good", False)):
        try:
            with writing(engine) as connection:
                connection.exec_driver_sql(f"CREATE TABLE {name} (id INTEGER)")
                if fails:
                    raise ValueError
        except ValueError:
            pass
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars().all()
    engine.dispose()
    assert ["good"] == found

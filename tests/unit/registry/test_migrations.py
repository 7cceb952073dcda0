"""The ledger's migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Engine, Integer, Table, inspect

from twotier.errors import ConfigurationError
from twotier.registry import tables
from twotier.registry.database import connect, writing
from twotier.registry.ledger import Ledger
from twotier.registry.migrate import VERSION_TABLE, configuration, revision, upgrade


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An empty database."""
    made = connect(f"sqlite:///{tmp_path}/ledger.sqlite")
    yield made
    made.dispose()


def differences(engine: Engine) -> list[object]:
    """How the migrated database differs from the models."""
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), tables.Table.metadata))


def test_migrations_match_models(engine: Engine) -> None:
    """The newest migration makes exactly the tables that the code works with."""
    upgrade(engine)
    assert [] == differences(engine)


def test_a_difference_would_be_found(engine: Engine) -> None:
    """The comparison above does find a table that no migration makes."""
    upgrade(engine)
    extra = Table("forgotten", tables.Table.metadata, Column("id", Integer, primary_key=True))
    try:
        assert 1 == len(differences(engine))
    finally:
        tables.Table.metadata.remove(extra)


def test_up_and_down(engine: Engine) -> None:
    """Downgrading takes everything away again, and upgrading brings it back."""
    upgrade(engine)
    with writing(engine) as connection:
        command.downgrade(configuration(connection), "base")
    with engine.connect() as connection:
        assert ([VERSION_TABLE], []) == (inspect(connection).get_table_names(), inspect(connection).get_view_names())
        assert revision(connection) is None
    upgrade(engine)
    assert [] == differences(engine)


def test_upgrade_is_one_transaction(engine: Engine) -> None:
    """A migration that cannot end leaves the database as it was."""
    with writing(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE mirror (mine TEXT)")
    with pytest.raises(Exception, match="already exists"):
        upgrade(engine)
    with engine.connect() as connection:
        assert ["mirror"] == inspect(connection).get_table_names()


def test_ledger_of_a_newer_twotier(tmp_path: Path) -> None:
    """A ledger that is ahead is left alone, and the message says to upgrade."""
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    Ledger(url).close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as direct:
        direct.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    direct.close()
    with pytest.raises(ConfigurationError, match="revision 9999, which is newer than this twotier: upgrade twotier"):
        Ledger(url)


def test_every_step_is_in_the_package() -> None:
    """An installed twotier has the migrations: they lie beside the code."""
    folder = Path(tables.__file__).parent / "migrations"
    assert {"env.py", "versions/0001_ledger.py"} <= {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}

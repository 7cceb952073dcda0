"""Bring the ledger to the newest migration, and no further."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from twotier.errors import ConfigurationError
from twotier.registry.database import writing

VERSION_TABLE = "ledger_revision"
"""Not Alembic's default name: another part of the system may keep its own tables in the same database."""


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration for the ledger; `connection` is what the migrations run on."""
    config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
    config.set_main_option("script_location", "twotier.registry:migrations")
    return config


def revision(connection: Connection) -> str | None:
    """Where the ledger stands; None for an empty database."""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def upgrade(engine: Engine) -> None:
    """Upgrade to the newest migration.

    Raises ConfigurationError if the ledger is ahead of this twotier.
    """
    scripts = ScriptDirectory.from_config(configuration())
    with engine.connect() as connection:
        current = revision(connection)
    # Looked at without the lock first, so that those who only read need not wait for a writer.
    if current == scripts.get_current_head():
        return
    if current not in {None, *(script.revision for script in scripts.walk_revisions())}:
        raise ConfigurationError(
            f"the ledger {engine.url.render_as_string()} is at revision {current}, which is newer than this twotier: upgrade twotier"
        )
    with writing(engine) as connection:
        command.upgrade(configuration(connection), "head")

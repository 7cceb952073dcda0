"""Copies what serves into a data folder of its own that only needs to be read: it goes into the model server's image.

It holds the versions that aliases point at, with their artefacts, and the public keys. It has no key to sign with, no candidates, no
record of who moved what, and no raw data.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, insert, select

from twotier.registry.database import connect, writing
from twotier.registry.migrate import upgrade
from twotier.registry.tables import AliasRow, MetricRow, VersionRow


def copy_promoted(source: Engine, path: Path) -> None:
    """Make a SQLite ledger at `path` of the versions that aliases point at."""
    target = connect(f"sqlite:///{path}")
    upgrade(target)
    promoted = select(AliasRow.version_id)
    wanted = (
        select(VersionRow.__table__).where(VersionRow.id.in_(promoted)),
        select(MetricRow.__table__).where(MetricRow.version_id.in_(promoted)),
        select(AliasRow.__table__),
    )
    with source.connect() as reading, writing(target) as connection:
        for table, rows in zip((VersionRow, MetricRow, AliasRow), wanted, strict=True):
            found = [dict(row) for row in reading.execute(rows).mappings()]
            connection.execute(insert(table), found)
    with target.connect() as connection:
        # Even to be read, a write-ahead log wants to write beside the ledger.
        connection.exec_driver_sql("PRAGMA journal_mode = DELETE")
    target.dispose()

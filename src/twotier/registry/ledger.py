"""The ledger: the database of versions, metrics and aliases, and the single truth about what may serve.

SQLite and PostgreSQL, by URL. Every write is one transaction under one lock, so that numbers are never given twice and an artefact is
never replaced while another process writes it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from twotier.card import Card
from twotier.errors import ConfigurationError
from twotier.family import NAME, Batch
from twotier.registry.migrate import upgrade
from twotier.registry.mirror import mirror
from twotier.registry.records import AliasMove, GateReport, Version
from twotier.registry.tables import AliasMoveRow, AliasRow, MetricRow, VersionRow

BUSY_SECONDS = 60
"""How long a writer waits for another: a publish to a far store holds the lock while it uploads."""

_LOCK = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7216100)"}
"""The first statement of every write, by database: it waits until no other write is under way. The number is this ledger's own."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}\Z")
"""What any name of a version is made of; nothing else is looked up, as not every database can hold every text."""

_VERSION = re.compile(r"(?P<estimator>.+)_(?P<number>[1-9][0-9]{0,8})\Z")
_LATEST = "_latest"


def may_be_alias(name: str) -> bool:
    """Whether an alias may have that name: it must not look like a version or like the newest of an estimator."""
    return bool(NAME.match(name)) and not _VERSION.match(name) and not f"_{name}".endswith(_LATEST)


class Ledger:
    """Open the ledger and bring it to the newest migration. Safe to use from several threads and processes.

    Raises ConfigurationError if it cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        try:
            upgrade(self._engine, self.writing)
        except SQLAlchemyError as error:
            self._engine.dispose()
            where = self._engine.url.render_as_string()
            raise ConfigurationError(f"the ledger {where} (setting ledger_url of [registry]) cannot be opened: {error}") from error

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, alone: committed at the end of the block, rolled back if it raises."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql(_LOCK[self._engine.dialect.name])
            yield connection

    def add(self, family: str, estimator: str, publish: Callable[[int, datetime], Card]) -> Version:
        """Give the next number of that estimator, call `publish(number, created_at)` to put the artefact in its place, and record its card.

        Whatever `publish` raises leaves no version.
        """
        with self.writing() as connection, Session(connection) as session:
            mine = VersionRow.family == family, VersionRow.estimator == estimator
            number = (session.scalar(select(func.max(VersionRow.number)).where(*mine)) or 0) + 1
            card = publish(number, datetime.now(UTC))
            row = VersionRow(
                family=family,
                estimator=estimator,
                number=number,
                created_at=card.created_at,
                parameters=card.model_dump(mode="json")["parameters"],
                data_sha256=card.data.sha256,
                metrics=[
                    MetricRow(split=split, name=name, value=value)
                    for split, values in card.metrics.items()
                    for name, value in values.items()
                ],
            )
            session.add(row)
            session.flush()
            return row.record()

    def record_gate(self, version: Version, report: GateReport) -> Version:
        """Store what the gate found."""
        with self.writing() as connection, Session(connection) as session:
            row = _row(session, version)
            row.gate_passed, row.gate_findings = report.passed, list(report.findings)
            session.flush()
            return row.record()

    def versions(self, family: str) -> list[Version]:
        """Give the family's versions, newest first."""
        with Session(self._engine) as session:
            newest = select(VersionRow).where(VersionRow.family == family).order_by(VersionRow.id.desc())
            return [row.record() for row in session.scalars(newest)]

    def find(self, family: str, name: str) -> Version | None:
        """Find a version by its name, by an alias, or by `<estimator>_latest`: the newest that passed its gate."""
        if not _NAME.match(name):
            return None
        chosen = select(VersionRow).where(VersionRow.family == family).order_by(VersionRow.id.desc()).limit(1)
        if named := _VERSION.match(name):
            chosen = chosen.where(VersionRow.estimator == named["estimator"], VersionRow.number == int(named["number"]))
        elif name.endswith(_LATEST):
            chosen = chosen.where(VersionRow.estimator == name.removesuffix(_LATEST), VersionRow.gate_passed.is_(True))
        else:
            chosen = chosen.join(AliasRow, AliasRow.version_id == VersionRow.id).where(AliasRow.family == family, AliasRow.name == name)
        with Session(self._engine) as session:
            row = session.scalar(chosen)
            return row.record() if row else None

    def aliases(self, family: str) -> dict[str, str]:
        """Alias -> version name, in alphabetical order."""
        with Session(self._engine) as session:
            return self._aliases(session, family)

    def history(self, family: str, alias: str) -> list[AliasMove]:
        """Give an alias's moves, newest first."""
        moves = select(AliasMoveRow).where(AliasMoveRow.family == family, AliasMoveRow.alias == alias).order_by(AliasMoveRow.id.desc())
        with Session(self._engine) as session:
            return [row.record() for row in session.scalars(moves)]

    def move(self, alias: str, version: Version, *, who: str, why: str) -> None:
        """Point the alias at the version and record the move; if it points there already, do nothing."""
        with self.writing() as connection, Session(connection) as session:
            before = self._aliases(session, version.family).get(alias)
            if before == version.name:
                return
            session.merge(AliasRow(family=version.family, name=alias, version_id=_row(session, version).id))
            session.add(
                AliasMoveRow(
                    family=version.family,
                    alias=alias,
                    from_version=before,
                    to_version=version.name,
                    who=who,
                    why=why,
                    at=datetime.now(UTC),
                )
            )
            session.flush()

    def mirror(self, table: str, fingerprint: str, batches: Iterator[Batch]) -> bool:
        """Copy raw data into a table of its own unless it is there; see `mirror.mirror`."""
        with self.writing() as connection:
            return mirror(connection, table, fingerprint, batches)

    @staticmethod
    def _aliases(session: Session, family: str) -> dict[str, str]:
        rows = session.scalars(select(AliasRow).where(AliasRow.family == family).order_by(AliasRow.name))
        return {row.name: row.version.record().name for row in rows}


def _row(session: Session, version: Version) -> VersionRow:
    named = VersionRow.family == version.family, VersionRow.estimator == version.estimator, VersionRow.number == version.number
    return session.scalars(select(VersionRow).where(*named)).one()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in _LOCK:
            raise ConfigurationError(f"setting ledger_url of [registry]: the ledger may be sqlite or postgresql, not {parsed.drivername}")
        engine = create_engine(parsed, pool_pre_ping=True)
    except (ArgumentError, ImportError) as error:
        raise ConfigurationError(f"setting ledger_url of [registry]: {error}") from None
    if engine.dialect.name == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # The driver must not begin transactions by itself: `_LOCK` does.
    connection.isolation_level = None
    for pragma in (f"busy_timeout = {BUSY_SECONDS * 1000}", "journal_mode = WAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")

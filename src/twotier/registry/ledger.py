"""The ledger: the database of versions, metrics and aliases, and the single truth about what may serve.

Every write is one transaction under one lock, so that no number is given twice and no artefact is replaced while another process
writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from twotier.card import Card
from twotier.errors import AliasMoved, ConfigurationError
from twotier.family import Batch
from twotier.registry.database import connect, writing
from twotier.registry.export import copy_promoted
from twotier.registry.migrate import upgrade
from twotier.registry.mirror import mirror
from twotier.registry.names import LATEST, may_be_looked_up, split_version
from twotier.registry.records import ANYWHERE, AliasMove, GateReport, Version
from twotier.registry.tables import AliasMoveRow, AliasRow, MetricRow, VersionRow

Publish = Callable[[int, datetime], tuple[Card, str]]
"""Given a number and a time: puts the artefact in its place, and gives its card and the SHA-256 of its manifest."""

_STATE = select(
    func.count(VersionRow.id),
    func.max(VersionRow.created_at),
    func.count(VersionRow.gate_passed),
    func.sum(case((VersionRow.gate_passed.is_(True), VersionRow.id), else_=0)),
)
"""Versions are added, judged and, before that, taken away."""

_POINTED = select(AliasRow.family, AliasRow.name, AliasRow.version_id).order_by(AliasRow.family, AliasRow.name)


class Ledger:
    """The ledger at a URL, brought to the newest migration. Safe to use from several threads and processes.

    Raises ConfigurationError if it cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self._engine = connect(url)
        try:
            upgrade(self._engine)
        except ConfigurationError:
            self._engine.dispose()
            raise
        except SQLAlchemyError as error:
            self._engine.dispose()
            where, why = self._engine.url.render_as_string(), str(error).splitlines()[0]
            raise ConfigurationError(f"the ledger {where} (setting ledger_url of [registry]) cannot be opened: {why}") from error

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    def add(self, family: str, estimator: str, publish: Publish) -> Version:
        """Have a version published under the next number of that estimator, and record it. If `publish` raises, there is no version."""
        with writing(self._engine) as connection, Session(connection) as session:
            number = _next_number(session, family, estimator)
            card, manifest_sha256 = publish(number, datetime.now(UTC))
            metrics = [
                MetricRow(split=split, name=name, value=value) for split, values in card.metrics.items() for name, value in values.items()
            ]
            row = VersionRow(
                family=family,
                estimator=estimator,
                number=number,
                created_at=card.created_at,
                parameters=card.parameters,
                data_sha256=card.data.sha256,
                manifest_sha256=manifest_sha256,
                metrics=metrics,
            )
            session.add(row)
            session.flush()
            return row.record()

    def tidy(self, family: str, estimator: str, manifest_sha256: str | None, remove: Callable[[int], None]) -> None:
        """Take away the version with that manifest unless it was judged, and have removed what a killed publish has left.

        `remove` is given the version's number, and the one that the next version of the estimator will have.
        """
        of_estimator = VersionRow.family == family, VersionRow.estimator == estimator
        unjudged = select(VersionRow).where(*of_estimator, VersionRow.manifest_sha256 == manifest_sha256, VersionRow.gate_passed.is_(None))
        with writing(self._engine) as connection, Session(connection) as session:
            for row in session.scalars(unjudged):
                session.delete(row)
                session.flush()
                remove(row.number)
            remove(_next_number(session, family, estimator))

    def record_gate(self, version: Version, report: GateReport) -> Version:
        """Record what the gate found."""
        with writing(self._engine) as connection, Session(connection) as session:
            row = _row(session, version)
            row.gate_passed, row.gate_findings = report.passed, list(report.findings)
            session.flush()
            return row.record()

    def state(self) -> tuple[Any, ...]:
        """What is another whenever `versions` (but for what gates found) or `aliases` of any family are; a tenth of the cost of reading."""
        with self._engine.connect() as connection:
            # Aliases are few, and are looked at themselves: somebody may have moved one by hand.
            return *connection.execute(_STATE).one(), *map(tuple, connection.execute(_POINTED))

    def versions(self, family: str) -> list[Version]:
        """Give the family's versions, newest first."""
        newest_first = select(VersionRow).where(VersionRow.family == family).order_by(VersionRow.id.desc())
        with Session(self._engine) as session:
            return [row.record() for row in session.scalars(newest_first)]

    def find(self, family: str, name: str) -> Version | None:
        """Find a version by its name, by an alias, or by `<estimator>_latest`: the newest that passed its gate."""
        if not may_be_looked_up(name):
            return None
        chosen = select(VersionRow).where(VersionRow.family == family).order_by(VersionRow.id.desc()).limit(1)
        if named := split_version(name):
            chosen = chosen.where(VersionRow.estimator == named[0], VersionRow.number == named[1])
        elif name.endswith(LATEST):
            chosen = chosen.where(VersionRow.estimator == name.removesuffix(LATEST), VersionRow.gate_passed.is_(True))
        else:
            chosen = chosen.join(AliasRow, AliasRow.version_id == VersionRow.id).where(AliasRow.family == family, AliasRow.name == name)
        with Session(self._engine) as session:
            row = session.scalar(chosen)
            return row.record() if row else None

    def aliases(self, family: str) -> dict[str, str]:
        """Alias -> version name, in alphabetical order."""
        with Session(self._engine) as session:
            return _aliases(session, family)

    def history(self, family: str, alias: str) -> list[AliasMove]:
        """Give an alias's moves, newest first."""
        moves = select(AliasMoveRow).where(AliasMoveRow.family == family, AliasMoveRow.alias == alias).order_by(AliasMoveRow.id.desc())
        with Session(self._engine) as session:
            return [row.record() for row in session.scalars(moves)]

    def move(self, alias: str, version: Version, *, who: str, why: str, expected: str | None = ANYWHERE) -> None:
        """Point the alias at the version and record the move; if it points there already, do nothing.

        Raises AliasMoved if it points at another version than `expected`, of which None is none at all.
        """
        with writing(self._engine) as connection, Session(connection) as session:
            before = _aliases(session, version.family).get(alias)
            if before == version.name:
                return
            if expected not in (ANYWHERE, before):
                raise AliasMoved(f"{version.family}: {alias} points at {before or 'nothing'} by now, and not at {expected or 'nothing'}")
            where = {"family": version.family, "alias": alias, "from_version": before, "to_version": version.name}
            session.add(AliasMoveRow(**where, who=who, why=why, at=datetime.now(UTC)))
            session.merge(AliasRow(family=version.family, name=alias, version_id=_row(session, version).id))
            session.flush()

    def mirror(self, table: str, fingerprint: str, batches: Iterator[Batch]) -> bool:
        """Copy raw data into a table of its own unless it is there; see `mirror.mirror`."""
        with writing(self._engine) as connection:
            return mirror(connection, table, fingerprint, batches)

    def copy_promoted(self, path: Path) -> None:
        """Make a ledger that only needs to be read, of the versions that aliases point at; see `export`."""
        copy_promoted(self._engine, path)


def _next_number(session: Session, family: str, estimator: str) -> int:
    numbers = select(func.max(VersionRow.number)).where(VersionRow.family == family, VersionRow.estimator == estimator)
    return (session.scalar(numbers) or 0) + 1


def _row(session: Session, version: Version) -> VersionRow:
    named = VersionRow.family == version.family, VersionRow.estimator == version.estimator, VersionRow.number == version.number
    return session.scalars(select(VersionRow).where(*named)).one()


def _aliases(session: Session, family: str) -> dict[str, str]:
    rows = session.scalars(select(AliasRow).where(AliasRow.family == family).order_by(AliasRow.name))
    return {row.name: row.version.record().name for row in rows}

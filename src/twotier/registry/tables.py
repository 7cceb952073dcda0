"""The ledger's tables. `migrations/` makes them; a test holds the two together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, MetaData, TypeDecorator, UniqueConstraint
from sqlalchemy.dialects.sqlite import DATETIME
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeEngine

from twotier.registry.records import AliasMove, GateReport, Version

_SqliteTime: Callable[..., TypeEngine[datetime]] = DATETIME


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time in every database.

    SQLite has no time type and drops the zone: there it is text that ends in Z, which says to the reader of a SELECT what it is.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Store text on SQLite and the database's own type elsewhere."""
        if dialect.name != "sqlite":
            return super().load_dialect_impl(dialect)
        date, time = "%(year)04d-%(month)02d-%(day)02d", "%(hour)02d:%(minute)02d:%(second)02d.%(microsecond)06d"
        return dialect.type_descriptor(_SqliteTime(storage_format=f"{date}T{time}Z"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Any aware time -> UTC."""
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """PostgreSQL answers in the session's zone -> UTC."""
        return value and value.astimezone(UTC)


class Table(DeclarativeBase):
    """Base of the ledger's tables."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, list[str]: JSON}


class VersionRow(Table):
    """A published version. Only its gate report is ever changed; without one it may be taken away again, if its training was killed."""

    __tablename__ = "version"
    __table_args__ = (UniqueConstraint("family", "estimator", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    family: Mapped[str]
    estimator: Mapped[str]
    number: Mapped[int]
    created_at: Mapped[datetime]
    parameters: Mapped[dict[str, Any]]
    data_sha256: Mapped[str]
    manifest_sha256: Mapped[str]
    gate_passed: Mapped[bool | None]
    gate_findings: Mapped[list[str] | None]
    metrics: Mapped[list[MetricRow]] = relationship(lazy="selectin", cascade="all, delete-orphan")

    def record(self) -> Version:
        """Give it as a value."""
        metrics: dict[str, dict[str, float]] = {}
        for row in self.metrics:
            metrics.setdefault(row.split, {})[row.name] = row.value
        gate = None if self.gate_passed is None else GateReport(passed=self.gate_passed, findings=tuple(self.gate_findings or ()))
        return Version(
            family=self.family,
            estimator=self.estimator,
            number=self.number,
            created_at=self.created_at,
            metrics=metrics,
            parameters=self.parameters,
            data_sha256=self.data_sha256,
            manifest_sha256=self.manifest_sha256,
            gate=gate,
        )


class MetricRow(Table):
    """One metric of a version on one split. The view `metrics` shows the accuracies readably."""

    __tablename__ = "metric"

    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"), primary_key=True)
    split: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float]


class AliasRow(Table):
    """Where an alias points now."""

    __tablename__ = "alias"

    family: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"))
    version: Mapped[VersionRow] = relationship(lazy="joined")


class AliasMoveRow(Table):
    """Who moved an alias, when, from where, to where and why. Rows are only ever added."""

    __tablename__ = "alias_move"

    id: Mapped[int] = mapped_column(primary_key=True)
    family: Mapped[str]
    alias: Mapped[str]
    from_version: Mapped[str | None]
    to_version: Mapped[str]
    who: Mapped[str]
    why: Mapped[str]
    at: Mapped[datetime]

    def record(self) -> AliasMove:
        """Give it as a value."""
        return AliasMove(from_version=self.from_version, to_version=self.to_version, who=self.who, why=self.why, at=self.at)


class MirrorRow(Table):
    """Which raw data a mirror table holds."""

    __tablename__ = "mirror"

    table_name: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]

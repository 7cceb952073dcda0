"""The values that the registry takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from twotier.card import DataFacts, Golden, Spread

ANYWHERE: Final = "*"
"""No version's name: an alias may be moved wherever it points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What training knows about a version to be: its card without what the registry and the family add to it."""

    classes: list[str]
    """Labels in the order of the probabilities."""

    parameters: Mapping[str, Any]
    """Hyper-parameters of the estimator; values that JSON can hold."""

    metrics: Mapping[str, Mapping[str, float]]
    """By split (`train`, `test`), then by metric name."""

    data: DataFacts
    ranges: Mapping[str, Spread]
    """By feature, over the training rows."""

    golden: list[Golden]
    reference: str
    """CSV text: the sample of the training rows that drift is measured against."""

    cutoff: float | None = None
    """Score from which the decision is positive, if training learnt one."""

    figures: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    """Name of a PNG file for the model card -> what it shows, and the file."""

    adopted: str | None = None
    """SHA-256 of the pickle that it was adopted from, if it was not trained here."""

    sources: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each code file that made the version, by name; for the model card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """Whether a version may serve."""

    passed: bool
    findings: tuple[str, ...]
    """One sentence per check, passed or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version, as the ledger has it."""

    family: str
    estimator: str
    number: int
    """Counts from 1 for each estimator of each family."""

    created_at: datetime
    """UTC."""

    metrics: Mapping[str, Mapping[str, float]]
    parameters: Mapping[str, Any]
    data_sha256: str
    manifest_sha256: str
    """Of the one artefact that is this version: another, though signed for the same name, is not it."""

    gate: GateReport | None
    """None until the gate has run."""

    @property
    def name(self) -> str:
        """Such as `log_reg_1`."""
        return f"{self.estimator}_{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMove:
    """One line of an alias's history."""

    from_version: str | None
    """None for the first move."""

    to_version: str
    who: str
    why: str
    at: datetime
    """UTC."""

"""What the gateway says to the model server and to the training service, and all of it: they share this module and HTTP, nothing else.

The gateway posts JSON to these paths of the model server:

| path | body | 200 answer |
|---|---|---|
| `/score` | `{"blocks": [Block, …]}` | one `Scored` or `Refused` per block, in order |
| `/info` | `{}` | `Info` |
| `/card` | `{"family": …, "version": …}` | `Card`, or `Refused` |
| `/alias` | `{"family": …, "alias": …}` | `Alias`, or `Refused` |
| `/move` | `{"order": Move}` | `Alias`, or `Refused` |

and to these of the training service:

| path | body | 200 answer |
|---|---|---|
| `/train` | `TrainingOrder` | `Job`, or `Refused` |
| `/job` | `JobQuery` | `Job`, or `Refused` |
| `/cancel` | `JobQuery` | `Job`, or `Refused` |

A block is one gateway call's rows for one version. BentoML's batcher merges the blocks of several calls into one list, so nothing that
concerns one block may raise: it is answered in that block's own result.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from twotier.card import Card

__all__ = [
    "Alias",
    "AliasInfo",
    "AliasMove",
    "Block",
    "Card",
    "FamilyInfo",
    "Info",
    "Job",
    "JobFacts",
    "JobQuery",
    "JobStatus",
    "Move",
    "Refusal",
    "Refused",
    "RowFault",
    "Scored",
    "Trained",
    "TrainingOrder",
    "VersionInfo",
]


class _Message(BaseModel):
    """A closed, finite value."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Block(_Message):
    """Rows to score with one version."""

    family: str
    version: str = Field(description="A version (`log_reg_1`) or an alias (`champion`, `latest`).")
    rows: list[list[Any]] = Field(description="One list per row: the values in feature order.")
    wanted: list[str] = Field(default=[], description="Fields on request that the answers are to have.")
    budget_ms: float | list[float] | None = Field(
        default=None, description="How long answers are still wanted, from arrival, in milliseconds: one for all rows or one for each."
    )
    # BentoML validates a block on arrival, before it queues it: this is the moment that the budget runs from.
    _arrived: float = PrivateAttr(default_factory=time.monotonic)

    @model_validator(mode="after")
    def _budgets_fit(self) -> Self:
        if isinstance(self.budget_ms, list) and len(self.budget_ms) != len(self.rows):
            raise ValueError(f"{len(self.budget_ms)} budgets for {len(self.rows)} rows")
        return self

    def late(self, now: float) -> Collection[int]:
        """The indexes of the rows for whose answers nobody waits any more; `now` is `time.monotonic()`."""
        passed, budget = (now - self._arrived) * 1000, self.budget_ms
        if isinstance(budget, list):
            return {row for row, left in enumerate(budget) if passed >= left}
        return () if budget is None or passed < budget else range(len(self.rows))


class Refusal(StrEnum):
    """Why a whole block, or anything else that was asked for, is refused."""

    UNKNOWN_FAMILY = "unknown_family"
    UNKNOWN_VERSION = "unknown_version"
    NOT_SERVABLE = "not_servable"
    NOT_EXPLAINABLE = "not_explainable"
    EXPIRED = "expired"
    FAILED = "failed"
    BAD_NAME = "bad_name"
    GATE_REFUSED = "gate_refused"
    ALIAS_MOVED = "alias_moved"
    SEALED = "sealed"
    UNKNOWN_JOB = "unknown_job"
    KEY_REUSED = "key_reused"
    BUSY = "busy"


class Refused(_Message):
    """Nothing of it was done; `detail` is a sentence."""

    refused: Refusal
    detail: str


class RowFault(_Message):
    """One row of a block that was not scored; its neighbours are not affected."""

    row: int = Field(description="Index into the block's rows.")
    detail: str
    late: bool = Field(default=False, description="Whether it was not scored since nobody waits for its answer any more.")


class Scored(_Message):
    """The answers to one block."""

    version: str = Field(description="The version that answered: never an alias.")
    answers: list[dict[str, Any] | None] = Field(description="In the order of the rows; None for a row that has a fault.")
    faults: list[RowFault] = Field(default=[])
    model_ms: float = Field(default=0.0, ge=0, description="How long the model took for all rows that it was given at once, in ms.")


class VersionInfo(_Message):
    """A version as the ledger and the model server see it."""

    version: str
    estimator: str
    created_at: datetime
    metrics: dict[str, dict[str, float]]
    gate_passed: bool | None = Field(description="None until the gate has judged it.")
    gate_findings: list[str] | None = Field(default=None, description="One sentence per check; None if not judged, or of old versions.")
    loaded: bool = Field(description="Whether it is in the model server's memory now.")


class AliasInfo(_Message):
    """Where an alias points, and what answers for it."""

    version: str = Field(description="Where the ledger points it.")
    serving: str | None = Field(description="The version that answers for it now; differs from `version` while that may not serve.")
    problem: str | None = Field(default=None, description="Why `version` does not serve.")


class FamilyInfo(_Message):
    """What there is of one family."""

    aliases: dict[str, AliasInfo] = Field(description="`champion`, `challenger`, … By name.")
    versions: list[VersionInfo] = Field(description="Newest first.")


class Info(_Message):
    """What the model server serves."""

    server: dict[str, str] = Field(description="Versions of twotier, scikit-learn, BentoML and Python; keep-alive in seconds.")
    families: dict[str, FamilyInfo]


class Move(_Message):
    """Have an alias point at a version."""

    family: str
    alias: str
    version: str = Field(description="A version or another alias.")
    who: str
    why: str
    expected: str | None = Field(default=None, description="The version that it must point at now, if the move depends on that.")


class AliasMove(_Message):
    """One line of an alias's history."""

    from_version: str | None = Field(description="None: the alias was new.")
    to_version: str
    who: str
    why: str
    at: datetime


class Alias(_Message):
    """An alias, and how it came to point where it does."""

    version: str = Field(description="Where the ledger points it.")
    serving: str | None = Field(description="The version that answers for it now.")
    history: list[AliasMove] = Field(description="Newest first; at most 100 moves.")


class TrainingOrder(_Message):
    """Have an estimator of a family trained."""

    family: str
    estimator: str
    key: str | None = Field(default=None, description="The caller's idempotency key: the same key gets the same job.")


class JobQuery(_Message):
    """Which job, and how long its end is to be waited for."""

    id: str
    wait_seconds: float = Field(default=0, ge=0, le=60)


class JobStatus(StrEnum):
    """How far a job has come."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Trained(_Message):
    """The version that a job made."""

    version: str
    metrics: dict[str, dict[str, float]]
    gate_passed: bool
    gate_findings: list[str] = Field(description="One sentence per check, passed or not.")
    champion: bool = Field(description="Whether it is the champion: the first version that passes becomes it, a later one is promoted.")


class JobFacts(_Message):
    """One training, and how far it has come."""

    id: str
    family: str
    estimator: str
    status: JobStatus = JobStatus.QUEUED
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    stage: str | None = Field(default=None, description="What is being done, or was last.")
    progress: float = Field(default=0.0, ge=0, le=1, description="The share of the whole that is done.")
    trained: Trained | None = Field(default=None, description="What came of it, if it succeeded. A gate that refuses is no failure.")

    @property
    def ended(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.ended_at is not None


class Job(JobFacts):
    """The same, as the training service tells it."""

    failure: str | None = Field(default=None, description="Why it failed: a sentence.")

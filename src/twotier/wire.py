"""What the two tiers say to each other, and all of it: they share this module and HTTP, nothing else.

The gateway posts JSON to three paths of the model server:

| path | body | 200 answer |
|---|---|---|
| `/score` | `{"blocks": [Block, …]}` | one `Scored` or `Refused` per block, in order |
| `/info` | `{}` | `Info` |
| `/card` | `{"family": …, "version": …}` | `Card`, or `Refused` |

A block is one gateway call's rows for one version. BentoML's batcher merges the blocks of several calls into one list, so nothing that
concerns one block may raise: it is answered in that block's own result.
"""

from __future__ import annotations

import time
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from twotier.card import Card

__all__ = ["AliasInfo", "Block", "Card", "FamilyInfo", "Info", "Refusal", "Refused", "RowFault", "Scored", "VersionInfo"]


class _Message(BaseModel):
    """A closed, finite value."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Block(_Message):
    """Rows to score with one version."""

    family: str
    version: str = Field(description="A version (`log_reg_1`) or an alias (`champion`, `latest`).")
    rows: list[list[Any]] = Field(description="One list per row: the values in feature order.")
    wanted: list[str] = Field(default=[], description="Fields on request that the answers are to have.")
    budget_ms: float | None = Field(default=None, description="How long the answer is still wanted, from arrival, in milliseconds.")
    # BentoML validates a block on arrival, before it queues it: this is the moment that the budget runs from.
    _arrived: float = PrivateAttr(default_factory=time.monotonic)

    def expired(self, now: float) -> bool:
        """Whether nobody waits for the answer any more; `now` is `time.monotonic()`."""
        return self.budget_ms is not None and (now - self._arrived) * 1000 >= self.budget_ms


class Refusal(StrEnum):
    """Why a whole block or a card is refused."""

    UNKNOWN_FAMILY = "unknown_family"
    UNKNOWN_VERSION = "unknown_version"
    NOT_SERVABLE = "not_servable"
    NOT_EXPLAINABLE = "not_explainable"
    EXPIRED = "expired"
    FAILED = "failed"


class Refused(_Message):
    """Nothing of it was done; `detail` is a sentence."""

    refused: Refusal
    detail: str


class RowFault(_Message):
    """One row of a block that could not be scored; its neighbours are not affected."""

    row: int = Field(description="Index into the block's rows.")
    detail: str


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
    gate_passed: bool
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

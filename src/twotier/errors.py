"""Every error that twotier raises on purpose. This module knows no HTTP: `gateway/problems.py` maps each class to a status.

TwotierError
├── ConfigurationError          a setting, a key or a family file makes no sense; the message names it and says what to do
│   └── LedgerSealed            the ledger can only be read, as in an image
├── InputRefused                rows that break their schema; carries the faults, each with a JSON pointer to the cell
│   ├── InputUnreadable         not the JSON that rows are sent in: bad syntax, a name given twice, a number out of range
│   └── InputTooLarge           more bytes than one call may have
├── BodyTooSlow                 the body had not all come when the call's time was over
├── UnknownFamily               no family of that name
├── UnknownEstimator            no such estimator of a family
├── UnknownVersion              no such version or alias of a family
├── NotServable                 a version that exists but must not serve: it has not passed its gate, or is one of these
│   ├── SignatureInvalid        the manifest has no signature, or one by a key that is not trusted
│   ├── DigestMismatch          a file is missing, or its size or SHA-256 is not the manifest's
│   ├── VersionSkew             the artefact was made with another scikit-learn minor version
│   ├── SchemaMismatch          the artefact's features are not the family's
│   └── GoldenMismatch          the loaded model does not answer its golden rows as it did in training
├── NotExplainable              reasons were asked of a version that has none to give
├── GateRefused                 a version did not pass its family's gate, so no alias may point at it
├── AliasMoved                  an alias does not point where whoever wants to move it takes it to point
├── UnknownJob                  no training job of that id
├── KeyReused                   an idempotency key that stands for another order
├── TrainingNotOffered          no training service is set
├── TrainingFailed              a training job ended without a version
└── UpstreamError               the model server did not give an answer that may be passed on
    ├── UpstreamUnavailable     it could not be reached, or said that it cannot serve now
    │   ├── Overloaded          more rows wait for it than can be answered in time
    │   ├── CircuitOpen         it was not even asked: every model server has failed of late
    │   └── TrainingUnavailable the same of the training service
    ├── UpstreamTimeout         no answer within the request's budget
    └── UpstreamInvalid         it answered, but not what it promised to
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class TwotierError(Exception):
    """The root of the tree. `str(error)` is a sentence for the person who must act."""


class ConfigurationError(TwotierError):
    """A setting, a key or a family file makes no sense."""


class LedgerSealed(ConfigurationError):
    """The ledger can only be read, as in an image."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with the input: where (an RFC 6901 JSON pointer), and what."""

    pointer: str
    detail: str


class InputRefused(TwotierError):
    """The input breaks its schema.

    `faults` holds the first few faults and `count` says how many there are in all.
    """

    def __init__(self, detail: str, faults: Sequence[Fault] = (), count: int | None = None) -> None:
        super().__init__(detail)
        self.faults = tuple(faults)
        self.count = len(self.faults) if count is None else count


class InputUnreadable(InputRefused):
    """The input is not the JSON that rows are sent in: bad syntax, a name given twice, a number out of range."""


class InputTooLarge(InputRefused):
    """More bytes than one call may have."""


class BodyTooSlow(TwotierError):
    """The body had not all come when the call's time was over."""


class UnknownFamily(TwotierError):
    """No family of that name."""


class UnknownEstimator(TwotierError):
    """No such estimator of a family."""


class UnknownVersion(TwotierError):
    """No such version or alias of a family."""


class NotServable(TwotierError):
    """The version exists, but must not serve."""


class SignatureInvalid(NotServable):
    """The manifest has no signature, or one by a key that is not trusted."""


class DigestMismatch(NotServable):
    """A file is missing, or its size or SHA-256 is not the manifest's."""


class VersionSkew(NotServable):
    """The artefact was made with another scikit-learn minor version."""


class SchemaMismatch(NotServable):
    """The artefact's features are not the family's."""


class GoldenMismatch(NotServable):
    """The loaded model does not answer its golden rows as it did in training."""


class NotExplainable(TwotierError):
    """Reasons were asked of a version that has none to give."""


class GateRefused(TwotierError):
    """The version did not pass its family's gate, so no alias may point at it."""


class AliasMoved(TwotierError):
    """The alias does not point where whoever wants to move it takes it to point: somebody else was faster."""


class UnknownJob(TwotierError):
    """No training job of that id, or it ended so long ago that it is forgotten."""


class KeyReused(TwotierError):
    """An idempotency key that stands for another order."""


class TrainingNotOffered(TwotierError):
    """No training service is set."""


class TrainingFailed(TwotierError):
    """A training job ended without a version."""


class UpstreamError(TwotierError):
    """The model server did not give an answer that may be passed on."""


class UpstreamUnavailable(UpstreamError):
    """The model server could not be reached, or said that it cannot serve now.

    `retry_after` is in seconds.
    """

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Overloaded(UpstreamUnavailable):
    """More rows wait for the model server than can be answered in time, so these were not queued.

    `reason` says by which bound, as the metrics of the gateway name it.
    """

    def __init__(self, detail: str, retry_after: int = 1, reason: str = "queue_full") -> None:
        super().__init__(detail, retry_after)
        self.reason = reason


class CircuitOpen(UpstreamUnavailable):
    """No model server was asked, since all have failed of late."""


class TrainingUnavailable(UpstreamUnavailable):
    """The training service could not be reached, did not answer as it should, or has too much to do."""


class UpstreamTimeout(UpstreamError):
    """No answer from the model server within the request's budget."""


class UpstreamInvalid(UpstreamError):
    """The model server answered, but not what it promised to."""

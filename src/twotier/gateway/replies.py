"""What the model server answered -> what may be passed on, or why nothing of it may. Strict: the gateway trusts no bytes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import GenericAlias
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError, create_model
from structlog import get_logger

from twotier.errors import (
    AliasMoved,
    GateRefused,
    InputRefused,
    KeyReused,
    LedgerSealed,
    NotExplainable,
    NotServable,
    TrainingUnavailable,
    TwotierError,
    UnknownJob,
    UnknownVersion,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from twotier.family import Answer
from twotier.gateway.forwarding import Ask, Scores
from twotier.wire import Alias, Card, Info, Job, Refusal, Refused, Scored

__all__ = ["read_alias", "read_card", "read_info", "read_job", "read_scores", "refusal"]

_log = get_logger(__name__)

_Read = TypeVar("_Read")

_CARD: TypeAdapter[Card | Refused] = TypeAdapter(Card | Refused)
_ALIAS: TypeAdapter[Alias | Refused] = TypeAdapter(Alias | Refused)
_JOB: TypeAdapter[Job | Refused] = TypeAdapter(Job | Refused)
_INFO: TypeAdapter[Info] = TypeAdapter(Info)


# The model server's own words stay in the log: they may hold paths, or quote a row.
_REFUSALS: Mapping[Refusal, tuple[type[TwotierError], str]] = {
    Refusal.UNKNOWN_FAMILY: (UpstreamUnavailable, "the model server does not know the family {family}"),
    Refusal.UNKNOWN_VERSION: (UnknownVersion, "{family} has no version or alias of that name: GET /models/{family} lists them"),
    Refusal.NOT_SERVABLE: (
        NotServable,
        "the version of {family} did not pass its gate, or failed another check before serving: GET /models/{family} shows which versions"
        " passed, and /readyz and the model server's log say what failed",
    ),
    Refusal.NOT_EXPLAINABLE: (
        NotExplainable,
        "the version of {family} that would answer is not linear and has no reasons to give: ask without explain, or pin a linear version",
    ),
    Refusal.EXPIRED: (UpstreamTimeout, "the model server had no time left for it within the call's budget"),
    Refusal.FAILED: (UpstreamInvalid, "the model server failed: its log says how"),
    Refusal.BAD_NAME: (
        InputRefused,
        "an alias is lower-case letters, digits and _, at most 40, and must not look like a version (log_reg_1) or end in latest",
    ),
    Refusal.GATE_REFUSED: (GateRefused, "the version of {family} did not pass its gate: GET /models/{family} says which versions did"),
    Refusal.ALIAS_MOVED: (AliasMoved, "the alias of {family} does not point at the version that you expect: GET it, and decide anew"),
    Refusal.SEALED: (
        LedgerSealed,
        "the model server can only read its versions, as in an image: promote where they are made, and make the image anew",
    ),
    Refusal.UNKNOWN_JOB: (UnknownJob, "there is no such job, or it ended so long ago that it is forgotten"),
    Refusal.KEY_REUSED: (KeyReused, "this Idempotency-Key stands for another training already: use a new one"),
    Refusal.BUSY: (TrainingUnavailable, "too many trainings wait already: try again later"),
}


def read_scores(ask: Ask, count: int, body: bytes) -> Scores | Refused:
    """Read the answer to one block of `count` rows. Raises UpstreamInvalid."""
    results = _read(_scored(ask.family.answer), body)
    if len(results) != 1:
        raise UpstreamInvalid(f"the model server gave {len(results)} results for one block")
    result = results[0]
    if isinstance(result, Refused):
        return result
    if len(result.answers) != count:
        raise UpstreamInvalid(f"the model server gave {len(result.answers)} answers to {count} rows")
    unanswered = [index for index, answer in enumerate(result.answers) if answer is None]
    if sorted(fault.row for fault in result.faults) != unanswered:
        raise UpstreamInvalid("the model server's faults are not those of the rows that it did not answer")
    for fault in result.faults:
        # Whoever sent a late row was told that it is late when it was.
        if not fault.late:
            _log.info("row not scored", family=ask.family.name, version=result.version, row=fault.row, why=fault.detail)
    return Scores(result.version, cast(list[Answer | None], result.answers), result.model_ms / 1000)


def read_info(body: bytes) -> Info:
    """Read what the model server serves. Raises UpstreamInvalid."""
    return _read(_INFO, body)


def read_card(body: bytes) -> Card | Refused:
    """Read a version's card. Raises UpstreamInvalid."""
    return _read(_CARD, body)


def read_alias(body: bytes) -> Alias | Refused:
    """Read where an alias points. Raises UpstreamInvalid."""
    return _read(_ALIAS, body)


def read_job(body: bytes) -> Job | Refused:
    """Read how far a training has come. Raises UpstreamInvalid."""
    return _read(_JOB, body)


def refusal(refused: Refused, family: str, version: str) -> TwotierError:
    """The error that a refusal is."""
    _log.warning("refused by the model server", family=family, version=version, refused=refused.refused, why=refused.detail)
    error, words = _REFUSALS[refused.refused]
    return error(words.format(family=family))


@cache
def _scored(answer: type[Answer]) -> TypeAdapter[list[Scored | Refused]]:
    """Reads the results of blocks whose answers are of that class, in one pass."""
    answers: Any = GenericAlias(list, (answer | None,))
    made: Any = create_model(f"{answer.__name__}Scored", __base__=Scored, answers=(answers, ...))
    results: Any = GenericAlias(list, (made | Refused,))
    return TypeAdapter(results)


def _read(reader: TypeAdapter[_Read], body: bytes) -> _Read:
    try:
        return reader.validate_json(body, strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[0]
        _log.warning("reply not valid", where=found["loc"], why=found["msg"], faults=error.error_count())
        raise UpstreamInvalid("the model server's answer does not keep its schema") from None

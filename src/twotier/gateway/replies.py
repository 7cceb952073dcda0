"""What the model server answered -> what may be passed on, or why nothing of it may. Strict: the gateway trusts no bytes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import GenericAlias
from typing import Any, NoReturn, TypeVar, cast

from pydantic import TypeAdapter, ValidationError, create_model
from structlog import get_logger

from twotier.errors import NotExplainable, NotServable, TwotierError, UnknownVersion, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from twotier.family import Answer
from twotier.gateway.forwarding import Ask, Scores
from twotier.wire import Card, Info, Refusal, Refused, Scored

__all__ = ["read_card", "read_info", "read_scores"]

_log = get_logger(__name__)

_Read = TypeVar("_Read")

_CARD: TypeAdapter[Card | Refused] = TypeAdapter(Card | Refused)
_INFO: TypeAdapter[Info] = TypeAdapter(Info)


# The model server's own words stay in the log: they may hold paths, or quote a row.
_REFUSALS: Mapping[Refusal, tuple[type[TwotierError], str]] = {
    Refusal.UNKNOWN_FAMILY: (UpstreamUnavailable, "the model server does not know the family {family}"),
    Refusal.UNKNOWN_VERSION: (UnknownVersion, "{family} has no version or alias of that name: GET /models/{family} lists them"),
    Refusal.NOT_SERVABLE: (
        NotServable,
        "the version of {family} failed a check before serving: /readyz and the model server's log say which",
    ),
    Refusal.NOT_EXPLAINABLE: (
        NotExplainable,
        "the version of {family} that would answer is not linear and has no reasons to give: ask without explain, or pin a linear version",
    ),
    Refusal.EXPIRED: (UpstreamTimeout, "the model server had no time left for it within the call's budget"),
    Refusal.FAILED: (UpstreamInvalid, "the model server failed while scoring"),
}


def read_scores(ask: Ask, count: int, body: bytes) -> Scores:
    """Read the answer to one block of `count` rows. Raises UnknownVersion, NotServable and UpstreamError."""
    results = _read(_scored(ask.family.answer), body)
    if len(results) != 1:
        raise UpstreamInvalid(f"the model server gave {len(results)} results for one block")
    result = results[0]
    if isinstance(result, Refused):
        _refuse(result, ask.family.name, ask.version)
    if len(result.answers) != count:
        raise UpstreamInvalid(f"the model server gave {len(result.answers)} answers to {count} rows")
    unanswered = [index for index, answer in enumerate(result.answers) if answer is None]
    if sorted(fault.row for fault in result.faults) != unanswered:
        raise UpstreamInvalid("the model server's faults are not those of the rows that it did not answer")
    for fault in result.faults:
        _log.info("row not scored", family=ask.family.name, version=result.version, row=fault.row, why=fault.detail)
    return Scores(result.version, cast(list[Answer | None], result.answers), result.model_ms / 1000)


def read_info(body: bytes) -> Info:
    """Read what the model server serves. Raises UpstreamInvalid."""
    return _read(_INFO, body)


def read_card(family: str, version: str, body: bytes) -> Card:
    """Read a version's card. Raises UnknownVersion, NotServable and UpstreamError."""
    result = _read(_CARD, body)
    if isinstance(result, Refused):
        _refuse(result, family, version)
    return result


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


def _refuse(refused: Refused, family: str, version: str) -> NoReturn:
    _log.warning("refused by the model server", family=family, version=version, refused=refused.refused, why=refused.detail)
    error, words = _REFUSALS[refused.refused]
    raise error(words.format(family=family))

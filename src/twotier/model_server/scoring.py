"""Blocks of several callers -> one result each. Pure: it knows no BentoML, no ledger and no clock of its own.

BentoML hands over the blocks of many calls at once. Whatever is wrong with one of them is said in its own result, and nothing raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import structlog

from twotier.errors import AliasMoved, GateRefused, InputRefused, LedgerSealed, NotExplainable, NotServable, UnknownFamily, UnknownVersion
from twotier.family import Answer
from twotier.reasons import REASONS
from twotier.scorer import Scorer
from twotier.wire import Block, Refusal, Refused, RowFault, Scored

__all__ = ["Find", "refusal", "score"]

Find = Callable[[str, str], Scorer]
"""(family, version or alias) -> the scorer that answers for it. Raises UnknownFamily, UnknownVersion, NotServable or anything else."""

_REFUSALS = {
    UnknownFamily: Refusal.UNKNOWN_FAMILY,
    UnknownVersion: Refusal.UNKNOWN_VERSION,
    NotServable: Refusal.NOT_SERVABLE,
    InputRefused: Refusal.BAD_NAME,
    GateRefused: Refusal.GATE_REFUSED,
    AliasMoved: Refusal.ALIAS_MOVED,
    LedgerSealed: Refusal.SEALED,
    NotExplainable: Refusal.NOT_EXPLAINABLE,
}

_log = structlog.get_logger()


def score(blocks: Sequence[Block], find: Find, clock: Callable[[], float]) -> list[Scored | Refused]:
    """Answer each block, in order. Blocks for one version are scored together, once; expired ones are not scored at all.

    Those that want reasons are scored apart from those that do not: reasons cost much more than answers.
    """
    results: dict[int, Scored | Refused] = {}
    groups: dict[tuple[Scorer, bool], list[int]] = {}
    for index, block in enumerate(blocks):
        try:
            scorer = find(block.family, block.version)
            groups.setdefault((scorer, scorer.explains and REASONS in block.wanted), []).append(index)
        except Exception as error:
            results[index] = refusal(error, family=block.family, version=block.version)
    for (scorer, explain), members in groups.items():
        now = clock()
        late = [index for index in members if blocks[index].expired(now)]
        results.update(dict.fromkeys(late, Refused(refused=Refusal.EXPIRED, detail="its budget was used up before it could be scored")))
        wanted = [index for index in members if index not in results]
        results.update(zip(wanted, _score_group(scorer, explain, [blocks[index] for index in wanted], clock), strict=True))
    return [results[index] for index in range(len(blocks))]


def refusal(error: Exception, **subject: str) -> Refused:
    """Say why nothing of what was asked for was done. What nobody foresaw goes to the log; the caller is not told its inside."""
    for kind, reason in _REFUSALS.items():
        if isinstance(error, kind):
            return Refused(refused=reason, detail=str(error))
    _log.error("failed", **subject, exc_info=error)
    return Refused(refused=Refusal.FAILED, detail=f"{type(error).__name__}: see the model server's log")


def _score_group(scorer: Scorer, explain: bool, blocks: Sequence[Block], clock: Callable[[], float]) -> Iterator[Scored | Refused]:
    subject = {"family": scorer.family.name, "version": scorer.card.version}
    begun = clock()
    try:
        answers = iter(scorer.answers([row for block in blocks for row in block.rows], explain=explain))
    except Exception as error:
        return iter([refusal(error, **subject)] * len(blocks))
    model_ms = (clock() - begun) * 1000
    hidden = set(scorer.family.on_request)
    return (_block_result(islice(answers, len(block.rows)), hidden.difference(block.wanted), subject, model_ms) for block in blocks)


def _block_result(answers: Iterable[Answer | Exception], hidden: set[str], subject: dict[str, str], model_ms: float) -> Scored:
    given: list[dict[str, Any] | None] = []
    errors: dict[int, Exception] = {}
    for row, answer in enumerate(answers):
        told = answer if isinstance(answer, Exception) else _told(answer, hidden)
        if isinstance(told, Exception):
            errors[row] = told
            given.append(None)
        else:
            given.append(told)
    if errors:
        _log.warning("rows_failed", **subject, rows=len(given), failed=len(errors), exc_info=next(iter(errors.values())))
    faults = [RowFault(row=row, detail=f"{type(error).__name__}: this row could not be scored") for row, error in errors.items()]
    return Scored(version=subject["version"], answers=given, faults=faults, model_ms=model_ms)


def _told(answer: Answer, hidden: set[str]) -> dict[str, Any] | Exception:
    try:
        # What `model_dump` calls; its own overhead per answer is twice that.
        return answer.__pydantic_serializer__.to_python(answer, mode="json", exclude=hidden)  # type: ignore[no-any-return]
    except Exception as error:
        return error

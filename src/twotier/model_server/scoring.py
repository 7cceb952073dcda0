"""Blocks of several callers -> one result each. Pure: it knows no BentoML, no ledger and no clock of its own.

BentoML hands over the blocks of many calls at once. Whatever is wrong with one of them is said in its own result, and nothing raises.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
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

_LATE = "its budget was used up before it could be scored"
_TOO_LATE = TimeoutError(_LATE)

_log = structlog.get_logger()


def score(blocks: Sequence[Block], find: Find, clock: Callable[[], float]) -> list[Scored | Refused]:
    """Answer each block, in order. Blocks for one version are scored together, once; rows that are late are not scored at all.

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
        due = [(index, _Due(blocks[index], blocks[index].late(now))) for index in members]
        results.update((index, Refused(refused=Refusal.EXPIRED, detail=_LATE)) for index, each in due if each.nobody)
        wanted = {index: each for index, each in due if not each.nobody}
        results.update(zip(wanted, _score_group(scorer, explain, [*wanted.values()], clock), strict=True))
    return [results[index] for index in range(len(blocks))]


def refusal(error: Exception, **subject: str) -> Refused:
    """Say why nothing of what was asked for was done. What nobody foresaw goes to the log; the caller is not told its inside."""
    for kind, reason in _REFUSALS.items():
        if isinstance(error, kind):
            return Refused(refused=reason, detail=str(error))
    _log.error("failed", **subject, exc_info=error)
    return Refused(refused=Refusal.FAILED, detail=f"{type(error).__name__}: see the model server's log")


@dataclass(frozen=True, slots=True)
class _Due:
    """A block, and which of its rows nobody waits for any more."""

    block: Block
    late: Collection[int]

    @property
    def nobody(self) -> bool:
        """Whether that is all of them."""
        return bool(self.late) and len(self.late) == len(self.block.rows)

    @property
    def rows(self) -> Sequence[list[Any]]:
        """Those that are to be scored."""
        rows = self.block.rows
        return [row for at, row in enumerate(rows) if at not in self.late] if self.late else rows

    def with_late(self, answers: Iterator[Answer | Exception]) -> Iterator[Answer | Exception]:
        """What became of every row, given what became of those."""
        return (_TOO_LATE if at in self.late else next(answers) for at in range(len(self.block.rows)))


def _score_group(scorer: Scorer, explain: bool, due: Sequence[_Due], clock: Callable[[], float]) -> Iterator[Scored | Refused]:
    subject = {"family": scorer.family.name, "version": scorer.card.version}
    begun = clock()
    try:
        answers = iter(scorer.answers([row for each in due for row in each.rows], explain=explain))
    except Exception as error:
        return iter([refusal(error, **subject)] * len(due))
    model_ms = (clock() - begun) * 1000
    hidden = set(scorer.family.on_request)
    return (_block_result(each.with_late(answers), hidden.difference(each.block.wanted), subject, model_ms) for each in due)


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
    if failed := [error for error in errors.values() if error is not _TOO_LATE]:
        _log.warning("rows_failed", **subject, rows=len(given), failed=len(failed), exc_info=failed[0])
    faults = [_fault(row, error) for row, error in errors.items()]
    return Scored(version=subject["version"], answers=given, faults=faults, model_ms=model_ms)


def _fault(row: int, error: Exception) -> RowFault:
    if error is _TOO_LATE:
        return RowFault(row=row, detail=_LATE, late=True)
    return RowFault(row=row, detail=f"{type(error).__name__}: this row could not be scored")


def _told(answer: Answer, hidden: set[str]) -> dict[str, Any] | Exception:
    try:
        # What `model_dump` calls; its own overhead per answer is twice that.
        return answer.__pydantic_serializer__.to_python(answer, mode="json", exclude=hidden)  # type: ignore[no-any-return]
    except Exception as error:
        return error

"""The use-case: a body in, the body of its answer out, in pieces if it is long. It knows no web framework."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from twotier.errors import Fault, InputRefused, UnknownVersion, UpstreamInvalid, UpstreamUnavailable
from twotier.family import Answer, Family
from twotier.gateway import problems
from twotier.gateway.forwarding import DEFAULT_ALIAS, Ask, Forward, Timing
from twotier.gateway.metrics import Metrics
from twotier.gateway.pointers import MAX_FAULTS
from twotier.gateway.rows import Refusal, RowReader, Rows, Shape
from twotier.gateway.strict_json import dumps
from twotier.gateway.turns import dumps_in_turns, forget_in_turns, loads_in_turns, map_in_turns

__all__ = ["Predicting", "Wish", "present"]

_MAX_ROW_FAULTS = 3
"""How many faults one row's own problem names, so that an answer cannot be made much longer than what was sent."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a caller wants the answer."""

    version: str | None = None
    """A version or alias, if one is pinned."""

    shown: Collection[str] = ()
    """Fields on request that are to be sent."""

    partial: bool = False
    """Whether good rows are answered beside bad ones, which get a problem of their own in their place."""

    key: str | None = None
    """What keeps a caller who pins no version on one side of a canary; None if there is nothing to be kept on a side of."""


class Predicting:
    """Predicts for one family. `steer` says what is to be asked in place of `forward` for callers who pin no version, by their keys."""

    def __init__(
        self,
        family: Family,
        forward: Forward,
        metrics: Metrics,
        max_rows: int,
        steer: Callable[[str, str | None], Forward] | None = None,
    ) -> None:
        self._family = family
        self._width = len(family.features)
        self._forward = forward
        self._steer = steer or (lambda _family, _key: forward)
        self._metrics = metrics
        self._reader = RowReader(family, max_rows)
        self._dump = family.answer.__pydantic_serializer__.to_python

    async def predict(self, body: bytes, wish: Wish, deadline: float, timing: Timing) -> list[bytes]:
        """Answer in the shape that the rows came in. `deadline` is `time.monotonic()`'s. Raises TwotierError."""
        begun = time.monotonic()
        try:
            document = await loads_in_turns(body)
            rows = self._reader.rows(document)
        finally:
            timing.validate += time.monotonic() - begun
        try:
            results = await self._results(rows, wish, deadline, timing)
            shown = (
                _row_problem(result) if isinstance(result, Refusal) else present(self._family, row, result)
                for row, result in zip(rows.items, results, strict=True)
            )
            return await _shaped(rows, shown, self._width)
        finally:
            await self.forget(rows, document)

    async def answer(self, rows: Rows, wish: Wish, deadline: float, timing: Timing) -> list[dict[str, Any]]:
        """One answer per row, for rows that came in a form of their own and were read already; all of them are answered, or none.

        Raises TwotierError, with pointers into what was sent.
        """
        results = await self._results(rows, replace(wish, partial=False), deadline, timing)
        return [result for result in results if not isinstance(result, Refusal)]

    def check_count(self, count: int) -> None:
        """Raise InputRefused if that is no number of rows to be answered: whoever knows it beforehand need not look at so many."""
        self._reader.check_count(Rows(Shape.LIST, (), count))

    async def forget(self, rows: Rows, document: Any) -> None:
        """Empty what the rows came in, when all is written that is to be said of them, or they are refused. A lone row goes as it came."""
        if rows.shape is not Shape.ONE:
            await forget_in_turns(document, self._width)

    async def _results(self, rows: Rows, wish: Wish, deadline: float, timing: Timing) -> list[dict[str, Any] | Refusal]:
        begun = time.monotonic()
        try:
            self._reader.check_count(rows)
            read, good = await self._read(rows)
        finally:
            timing.validate += time.monotonic() - begun
        try:
            return await self._answered(rows, read, good, wish, deadline, timing)
        finally:
            await self.forget(rows, read)

    async def _answered(
        self, rows: Rows, read: list[list[Any] | Refusal], good: list[list[Any]], wish: Wish, deadline: float, timing: Timing
    ) -> list[dict[str, Any] | Refusal]:
        # A lone row has no others to be answered beside.
        beside = wish.partial and rows.shape is not Shape.ONE
        if not beside and len(good) < len(read):
            # Nobody else has been given them yet, as somebody has whose scoring failed.
            good.clear()
            raise _refused(read)
        answered = iter(await self._score(good, wish, deadline, timing)) if good else iter(())
        good.clear()
        unscored = 0

        def result(numbered: tuple[int, list[Any] | Refusal]) -> dict[str, Any] | Refusal:
            nonlocal unscored
            at, one = numbered
            if isinstance(one, Refusal):
                return one
            if (answer := next(answered)) is not None:
                return answer
            unscored += 1
            return _unscored(rows.pointer(at))

        results = await map_in_turns(result, enumerate(read), self._width)
        if not beside and unscored:
            raise _refused(results)
        return results

    async def _read(self, rows: Rows) -> tuple[list[list[Any] | Refusal], list[list[Any]]]:
        """What was read of each row, and the values of the good ones by themselves."""
        good: list[list[Any]] = []

        def read(numbered: tuple[int, Any]) -> list[Any] | Refusal:
            at, row = numbered
            found = self._reader.read(row, partial(rows.pointer, at))
            if not isinstance(found, Refusal):
                good.append(found)
            return found

        return await map_in_turns(read, enumerate(rows.items), self._width), good

    async def _score(self, good: list[list[Any]], wish: Wish, deadline: float, timing: Timing) -> list[dict[str, Any] | None]:
        wanted = frozenset(wish.shown).intersection(self._family.on_request)
        forward = self._forward if wish.version else self._steer(self._family.name, wish.key)
        try:
            scores = await forward.score(Ask(self._family, wish.version or DEFAULT_ALIAS, wanted), good, deadline, timing)
        except UnknownVersion:
            if wish.version is not None:
                raise
            raise UpstreamUnavailable(f"no version of {self._family.name} serves yet") from None
        self._metrics.observe_rows(self._family.name, scores.version, len(good) - len(scores.others))
        for version, rows in Counter(scores.others.values()).items() if scores.others else ():
            self._metrics.observe_rows(self._family.name, version, rows)
        hidden = self._family.on_request.keys() - wanted

        def dumped(numbered: tuple[int, Answer | None]) -> dict[str, Any] | None:
            at, answer = numbered
            return None if answer is None else self._dumped(answer, hidden, scores.others.get(at, scores.version))

        return await map_in_turns(dumped, enumerate(scores.answers), self._width)

    def _dumped(self, answer: Answer, hidden: set[str], version: str) -> dict[str, Any]:
        dumped: dict[str, Any] = self._dump(answer, mode="json", exclude=hidden)
        dumped["model_name"] = version
        return dumped


def present(family: Family, row: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """The answer to a row as callers see it: with the row as it was sent, if the family's answers repeat it."""
    return dict(sorted({**row, **answer}.items())) if family.echo else answer


async def _shaped(rows: Rows, shown: Iterator[dict[str, Any]], width: int) -> list[bytes]:
    try:
        if rows.shape is Shape.ONE:
            return [dumps(next(shown))]
        if rows.shape is Shape.LIST:
            return await dumps_in_turns(shown, list, width)
        return await dumps_in_turns(zip(rows.keys, shown, strict=True), dict, width)
    except ValueError:
        # A field that its family types loosely may have let a NaN of the model server's through.
        raise UpstreamInvalid("the model server's answer is not finite") from None


def _refused(results: list[Any]) -> InputRefused:
    refusals = [result for result in results if isinstance(result, Refusal)]
    faults = [fault for refusal in refusals for fault in refusal.faults][:MAX_FAULTS]
    words = f"{len(refusals)} of {len(results)} rows cannot be answered" if len(results) > 1 else "the row cannot be answered"
    return InputRefused(words, faults, sum(refusal.count for refusal in refusals))


def _unscored(pointer: str) -> Refusal:
    # Why, the log says: the model's own words may quote the row.
    return Refusal([Fault(pointer, "the model cannot score this row")], 1)


def _row_problem(refusal: Refusal) -> dict[str, Any]:
    return problems.problem(InputRefused("the row cannot be answered", refusal.faults[:_MAX_ROW_FAULTS], refusal.count))

"""The gate: what a version must show before it may serve.

It judges the published artefact, loaded as the model server will load it, on rows that the version has not learnt from. The champion
is judged on the same rows; if the data has changed since it was trained, it may have learnt from some of them, which only makes the gate
stricter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from model_training.pipelines.evaluate import decided, evaluate
from model_training.pipelines.read import Labelled, accept
from twotier.card import Card
from twotier.errors import ConfigurationError, NotServable
from twotier.family import Answer, Family, Predict
from twotier.registry import GateReport, Registry, Version
from twotier.scorer import Scorer

CHAMPION = "champion"

TOLERANCE = 0.01
"""How much worse than the champion a version may be; one held-out row's share if that is more, since chance alone may cost a row."""

_PASSED, _FAILED, _NOTED = "passed", "failed", "noted"

_Finding = tuple[str, str]
"""One of the three above, and a sentence without its full stop."""


def judge(registry: Registry, version: Version, held_out: Labelled | None, *, noted: Sequence[str] = ()) -> GateReport:
    """Judge a published version: it passes if no finding is `failed`.

    Without rows whose labels are known, its metric is not judged, and the report says so. `noted` are further findings, of no weight.
    """
    try:
        scorer = registry.load(version.family, version.name)
    except NotServable as error:
        return GateReport(passed=False, findings=(f"{_FAILED}: the published artefact cannot be loaded: {error}.",))
    family, predict = scorer.family, predictor(scorer)
    findings = [
        *((_NOTED, sentence) for sentence in noted),
        _guarded("the floor", lambda: _floor(scorer, held_out)),
        _guarded("the examples", lambda: _examples(scorer)),
        *(_guarded(f"check {name}", lambda: _check(name, check, predict)) for name, check in family.gate.checks.items()),
        *(_against_champion(registry, scorer, held_out) if held_out else ()),
    ]
    return GateReport(
        passed=all(verdict != _FAILED for verdict, _ in findings),
        findings=tuple(f"{verdict}: {found}." for verdict, found in findings),
    )


def best(family: Family, versions: Sequence[Version]) -> tuple[Version, str] | None:
    """Of versions trained on the same rows, the one to be champion, and why; None if none passed its gate.

    It is the one with the most of the gate's metric on the held-out rows and, of equally good ones, the first.
    """
    metric = family.gate.metric
    passed = [version for version in versions if version.gate and version.gate.passed]
    if not passed:
        return None
    found = ", ".join(f"{version.name} {version.metrics['test'][metric]:.4f}" for version in passed)
    return max(passed, key=lambda version: version.metrics["test"][metric]), f"the most {metric} on the same held-out rows: {found}"


def predictor(scorer: Scorer) -> Predict:
    """What behavioural checks call: rows as callers send them -> answers. Raises for a row that is refused or cannot be answered."""

    def predict(rows: Sequence[Mapping[str, Any]]) -> list[Answer]:
        family = scorer.family
        accepted = [accept(family, row, f"row {number} to predict") for number, row in enumerate(rows, 1)]
        answers = []
        for answer in scorer.answers([family.values(row) for row in accepted]):
            if isinstance(answer, Exception):
                raise answer
            answers.append(answer)
        return answers

    return predict


def _guarded(what: str, find: Callable[[], _Finding]) -> _Finding:
    """A check that raises has failed, and says why."""
    try:
        return find()
    except Exception as error:
        return _FAILED, f"{what} raised {type(error).__name__}: {error}"


def _metric(scorer: Scorer, held_out: Labelled) -> float:
    metrics, name = evaluate(scorer, held_out), scorer.family.gate.metric
    if name not in metrics:
        raise ConfigurationError(f"the gate of {scorer.family.name} wants the metric {name!r}, and there are: {', '.join(metrics)}")
    return metrics[name]


def _floor(scorer: Scorer, held_out: Labelled | None) -> _Finding:
    gate = scorer.family.gate
    if held_out is None:
        return _NOTED, f"{gate.metric}, of which at least {gate.floor} is wanted, was not judged: there are no rows with known labels"
    value, kind = _metric(scorer, held_out), "sample" if scorer.card.adopted else "held-out"
    found = f"{gate.metric} is {value:.4f} on {len(held_out.rows)} {kind} rows, and at least {gate.floor} is wanted"
    return _PASSED if value >= gate.floor else _FAILED, found


def _examples(scorer: Scorer) -> _Finding:
    """The documented answers are those of the default estimator; another must answer, but may think otherwise."""
    examples = scorer.family.examples
    answers = [answer.model_dump(mode="json") for answer in predictor(scorer)([example.row for example in examples])]
    wrong = [
        f"example {number} is answered by {answer}, and {dict(example.answer)} is documented"
        for number, (example, answer) in enumerate(zip(examples, answers, strict=True), 1)
        if any(answer.get(key) != value for key, value in example.answer.items())
    ]
    if not wrong:
        return _PASSED, f"all {len(examples)} examples are answered as documented"
    return _FAILED if scorer.card.estimator == scorer.family.default_estimator else _NOTED, "; ".join(wrong)


def _check(name: str, check: Callable[[Predict], bool], predict: Predict) -> _Finding:
    return (_PASSED, f"check {name} holds") if check(predict) else (_FAILED, f"check {name} does not hold")


def _against_champion(registry: Registry, scorer: Scorer, held_out: Labelled) -> list[_Finding]:
    """A champion that cannot be loaded or cannot score these rows is no bar: it must be possible to replace it."""
    name = registry.aliases(scorer.family.name).get(CHAMPION)
    if name is None:
        return [(_NOTED, "there is no champion to compare with")]
    try:
        champion = registry.load(scorer.family.name, name)
        theirs = _metric(champion, held_out)
    except Exception as error:
        return [(_NOTED, f"the champion {name} could not be compared with: {type(error).__name__}: {error}")]
    return [
        _guarded("the comparison with the champion", lambda: _no_worse(scorer, theirs, champion.card, held_out)),
        _guarded("the agreement with the champion", lambda: _agreement(scorer, champion, held_out)),
    ]


def _no_worse(scorer: Scorer, theirs: float, champion: Card, held_out: Labelled) -> _Finding:
    """An adopted champion may have learnt from all of these rows: nobody here knows, so it is no bar either."""
    ours, allowed = _metric(scorer, held_out), max(TOLERANCE, 1 / len(held_out.rows))
    found = (
        f"{scorer.family.gate.metric} is {ours:.4f}, and that of the champion {champion.version} {theirs:.4f} on the same held-out"
        f" rows; {allowed:.4f} less is allowed"
    )
    if champion.adopted:
        return _NOTED, f"{found.partition(';')[0]}, which it may have learnt from before it was adopted"
    return _PASSED if ours >= theirs - allowed - 1e-9 else _FAILED, found


def _agreement(scorer: Scorer, champion: Scorer, held_out: Labelled) -> _Finding:
    both = zip(*(decided(each, each.probabilities(held_out.rows)) for each in (scorer, champion)), strict=True)
    same = sum(ours == theirs for ours, theirs in both)
    share = f"{same} of {len(held_out.rows)} held-out rows ({same / len(held_out.rows):.1%})"
    return _NOTED, f"it agrees with the champion {champion.card.version} on {share}"

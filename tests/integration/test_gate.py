"""The gate lets a good version through, and each of its checks alone can stop a bad one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_training.gate import _no_worse, judge
from model_training.pipelines import memory
from model_training.pipelines.read import Labelled
from tests.examples import card, decide, family, log_reg
from tests.folders import registry_over
from twotier.card import Card
from twotier.family import Answer, Example, Gate, Predict
from twotier.registry import GateReport, Registry
from twotier.scorer import Scorer


class Stubborn:
    """An estimator that gives `high` one and the same probability, whatever it is asked."""

    def __init__(self, high: float) -> None:
        self._high = high
        self.classes_ = np.array(["high", "low"])

    def get_params(self) -> dict[str, float]:
        """Its only parameter."""
        return {"high": self._high}

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Stubborn:
        """Learn nothing."""
        return self

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """(rows, 2) -> (rows, 2)."""
        return np.tile([self._high, 1 - self._high], (len(X), 1))


ESTIMATORS: dict[str, Callable[[], Any]] = {"log_reg": log_reg, "always_low": lambda: Stubborn(0.1)}

Judge = Callable[..., GateReport]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry in which nothing is published."""
    with registry_over(tmp_path) as opened:
        yield opened


@pytest.fixture
def judged(registry: Registry, tmp_path: Path) -> Judge:
    """Train and publish a version of `coin`, changed as asked, and judge it; `champion=True` makes it champion."""

    def judged(estimator: str = "log_reg", champion: bool = False, **changes: Any) -> GateReport:
        coin = registry.families["coin"] = family(**{"estimators": ESTIMATORS} | changes)
        trained = memory.run(coin, estimator, tmp_path, lambda step, done: None)
        version = registry.publish(coin, estimator, trained.model, trained.draft)
        report = judge(registry, version, trained.held_out)
        if champion:
            registry.record_gate(version, GateReport(passed=True, findings=()))
            registry.promote("coin", "champion", version.name, who="test")
        return report

    return judged


def _failed(report: GateReport) -> list[str]:
    return [finding for finding in report.findings if finding.startswith("failed")]


def test_good_version_passes(judged: Judge) -> None:
    """A version that does all that is asked of it passes, with a sentence for each thing that was looked at."""
    report = judged()
    assert report.passed
    assert report.findings == (
        "passed: accuracy is 1.0000 on 31 held-out rows, and at least 0.8 is wanted.",
        "passed: all 2 examples are answered as documented.",
        "noted: there is no champion to compare with.",
    )


def test_floor_stops_a_weak_version(judged: Judge) -> None:
    """A metric below the family's floor fails; the floor itself does not."""
    report = judged(gate=Gate(metric="accuracy", floor=1.01))
    assert not report.passed
    assert ["failed: accuracy is 1.0000 on 31 held-out rows, and at least 1.01 is wanted."] == _failed(report)
    assert judged(gate=Gate(metric="accuracy", floor=1.0)).passed


def test_unknown_metric_fails(judged: Judge) -> None:
    """A gate that asks for a metric which is not there fails, and says which there are."""
    (found,) = _failed(judged(gate=Gate(metric="f1", floor=0.5)))
    assert "wants the metric 'f1', and there are: accuracy, auc, brier" in found
    assert judged(gate=Gate(metric="auc", floor=0.5)).passed


def test_default_estimator_answers_as_documented(judged: Judge) -> None:
    """An example that the default estimator answers otherwise fails, and is told by its number and both answers."""
    wrong = Example(row={"a": 4.0, "b": 4.0}, answer={"label": "low"})
    (found,) = _failed(judged(examples=(family().examples[0], wrong)))
    assert found.startswith("failed: example 2 is answered by {'label': 'high', 'share': ")
    assert found.endswith("and {'label': 'low'} is documented.")


def test_other_estimators_may_think_otherwise(judged: Judge) -> None:
    """An example that another estimator answers otherwise is noted, and stops nothing."""
    report = judged("always_low", gate=Gate(metric="accuracy", floor=0.1))
    assert report.passed
    assert report.findings[1].startswith("noted: example 1 is answered by {'label': 'low'")


def _holds(predict: Predict) -> bool:
    return ["high"] == [getattr(answer, "label") for answer in predict([{"b": 4, "a": 4}])]


def _does_not_hold(predict: Predict) -> bool:
    return not _holds(predict)


def _asks_wrongly(predict: Predict) -> bool:
    return bool(predict([{"a": 1.0, "b": 0.0}, {"a": "one", "b": 0.0}]))


@pytest.mark.parametrize(
    ("check", "finding"),
    [
        (_holds, "passed: check it holds."),
        (_does_not_hold, "failed: check it does not hold."),
        (_asks_wrongly, "failed: check it raised ConfigurationError: row 2 to predict, column a: Input should be a valid number."),
        (lambda predict: 1 / 0, "failed: check it raised ZeroDivisionError: division by zero."),
    ],
)
def test_behaviour_is_checked(judged: Judge, check: Callable[[Predict], bool], finding: str) -> None:
    """A behavioural check that says no, or raises, fails with its name and the reason."""
    report = judged(gate=Gate(metric="accuracy", floor=0.8, checks={"it": check}))
    assert finding == report.findings[2]
    assert finding.startswith("passed") == report.passed


def test_row_without_an_answer_fails_its_check(judged: Judge) -> None:
    """A check that asks for what cannot be decided has failed with the family's own error."""

    def never_beyond(probabilities: Sequence[float], card: Card) -> Answer:
        if max(probabilities) > 1 - 1e-9:
            raise ArithmeticError("too sure")
        return decide(probabilities, card)

    gate = Gate(metric="accuracy", floor=0.8, checks={"it": lambda predict: bool(predict([{"a": 100.0, "b": 100.0}]))})
    assert ["failed: check it raised ArithmeticError: too sure."] == _failed(judged(gate=gate, decide=never_beyond))


def test_no_worse_than_the_champion(judged: Judge) -> None:
    """A version that is worse than the champion on the same rows fails, however low the floor, and how far they agree is noted."""
    low = Gate(metric="accuracy", floor=0.1)
    judged(champion=True)
    report = judged("always_low", gate=low)
    (found,) = _failed(report)
    assert found == (
        "failed: accuracy is 0.5484, and that of the champion log_reg_1 1.0000 on the same held-out rows; 0.0323 less is allowed."
    )
    assert "noted: it agrees with the champion log_reg_1 on 17 of 31 held-out rows (54.8%)." == report.findings[-1]


def test_better_than_the_champion(judged: Judge) -> None:
    """A version that is better than the champion passes."""
    judged("always_low", champion=True)
    report = judged()
    assert report.passed
    assert report.findings[2].startswith("passed: accuracy is 1.0000, and that of the champion always_low_1 0.5484")


@pytest.mark.parametrize(("rows", "less", "passes"), [(31, 1 / 31, True), (31, 1.5 / 31, False), (1000, 0.009, True), (1000, 0.011, False)])
def test_tolerance_is_a_row_or_a_hundredth(rows: int, less: float, passes: bool) -> None:
    """A version may be worse than the champion by one held-out row or by 0.01, whichever is more, and by no more."""
    scorer = Scorer(family(), card(), Stubborn(0.9))
    held_out = Labelled([[0.0, 0.0]] * rows, ["high"] * (rows - 5) + ["low"] * 5)
    ours = (rows - 5) / rows
    assert ("passed" if passes else "failed") == _no_worse(scorer, ours + less, card(), held_out)[0]


def test_adopted_champion_is_no_bar() -> None:
    """It may have learnt from these rows before it was adopted, so a version that looks worse may still take its place."""
    held_out = Labelled([[0.0, 0.0]] * 2, ["high", "low"])
    verdict, found = _no_worse(Scorer(family(), card(), Stubborn(0.9)), 1.0, card(adopted="0" * 64), held_out)
    assert "noted" == verdict
    assert found.endswith("1.0000 on the same held-out rows, which it may have learnt from before it was adopted")


def test_without_labels_the_metric_is_not_judged(registry: Registry, tmp_path: Path) -> None:
    """What nobody can judge is noted as such, beside what else is to be noted; the rest of the gate stands."""
    coin = registry.families["coin"] = family()
    trained = memory.run(coin, "log_reg", tmp_path, lambda step, done: None)
    report = judge(registry, registry.publish(coin, "log_reg", trained.model, trained.draft), None, noted=["it is round"])
    assert report.passed
    assert (
        "noted: it is round.",
        "noted: accuracy, of which at least 0.8 is wanted, was not judged: there are no rows with known labels.",
        "passed: all 2 examples are answered as documented.",
    ) == report.findings


def test_champion_that_cannot_be_loaded_is_no_bar(judged: Judge, tmp_path: Path) -> None:
    """A champion whose artefact is broken is told, and can be replaced."""
    judged(champion=True)
    model = tmp_path / "models" / "coin" / "log_reg_1" / "model.pkl"
    model.write_bytes(model.read_bytes()[:-1])
    report = judged()
    assert report.passed
    assert report.findings[2].startswith("noted: the champion log_reg_1 could not be compared with: DigestMismatch: ")


def test_broken_artefact_fails(registry: Registry, tmp_path: Path) -> None:
    """What is judged is the published artefact: one changed byte in it, and the version fails though the model in memory is well."""
    coin = registry.families["coin"] = family()
    trained = memory.run(coin, "log_reg", tmp_path, lambda step, done: None)
    version = registry.publish(coin, "log_reg", trained.model, trained.draft)
    assert judge(registry, version, trained.held_out).passed
    model = tmp_path / "models" / "coin" / "log_reg_1" / "model.pkl"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    report = judge(registry, version, trained.held_out)
    assert not report.passed
    (found,) = report.findings
    assert found.startswith("failed: the published artefact cannot be loaded: coin log_reg_1: model.pkl is not what was signed")

"""The families that repeat their rows, through both tiers: messy cells in, the same cells back, and reasons that add up."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model_training.gate import predictor
from tests.asking import JSON, ask, post
from tests.e2e.tiers import Tiers, problem, tiers
from tests.folders import registry_over
from tests.shell import in_shell
from twotier.families.credit import applicant
from twotier.families.outcome import OutcomeAnswer, generate


@pytest.fixture(scope="module")
def served(all_trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiers]:
    """Both tiers over a data folder in which every family is trained, and credit's trees too, as a user would."""
    data = Path(shutil.copytree(all_trained, tmp_path_factory.mktemp("wide") / "data"))
    in_shell("twotier train credit --estimator boosted_trees", {**os.environ, "TWOTIER_DATA": str(data)})
    with tiers(data, tmp_path_factory.mktemp("wide_tiers"), GATEWAY_BUDGET_MS="60000", MODEL_SERVER_TIMEOUT_SECONDS="90") as running:
        yield running


def _rows(count: int) -> list[dict[str, Any]]:
    (batch,) = generate(31, count)
    names = [f"x{column}" for column in range(100)]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*(batch[name] for name in names), strict=True)]


def _cutoff(served: Tiers) -> float:
    """From where on the champion answers 1, as its card says."""
    return float(json.loads((served.data / "models/outcome/log_reg_1/card.json").read_text(encoding="utf-8"))["cutoff"])


def _alphabetical(answer: dict[str, Any]) -> bool:
    return sorted(answer) == list(answer)


def test_ten_thousand_wide_rows(served: Tiers, measured: Callable[[str, float], None]) -> None:
    """10,000 full rows, 17 MB, are answered in one call, each beside its own cells as they were sent; a row alone is answered alike."""
    rows = [{name: value if value is None or name != "x0" else str(value) for name, value in row.items()} for row in _rows(10_000)]
    body = json.dumps(rows).encode()
    assert 17 == round(len(body) / 1e6)
    begun = time.monotonic()
    answered = ask(f"{served.front.url}/outcome/predict", "POST", body, JSON)
    measured("10,000 rows of 100 columns in one call", time.monotonic() - begun)
    assert 200 == answered.status, answered.body[:500]
    answers = answered.json
    assert rows == [{name: answer[name] for name in row} for row, answer in zip(rows, answers, strict=True)]
    assert {103} == {len(answer) for answer in answers}
    assert all(map(_alphabetical, answers))
    assert {"log_reg_1"} == {answer["model_name"] for answer in answers}
    positive, negative = ([answer["phat"] for answer in answers if answer["business_outcome"] == decided] for decided in (1, 0))
    assert 10_000 == len(positive) + len(negative)
    assert 0 < max(negative) < _cutoff(served) <= min(positive) < 1
    assert 0.23 < len(positive) / 10_000 < 0.27
    for at in (0, 4_999, 9_999):
        alone = post(f"{served.front.url}/outcome/predict", rows[at]).json
        assert math.isclose(alone.pop("phat"), answers[at].pop("phat"), rel_tol=0, abs_tol=1e-12)
        assert alone == answers[at]


def test_each_of_ten_thousand_wide_rows(served: Tiers) -> None:
    """Each of the answers to 17 MB is that of the version itself, asked without either tier: its decision, its probability to 1e-12."""
    rows = _rows(10_000)
    body = json.dumps(rows).encode()
    assert 17 == round(len(body) / 1e6)
    answers = ask(f"{served.front.url}/outcome/predict", "POST", body, JSON).json
    with registry_over(served.data) as registry:
        expected = predictor(registry.load("outcome", "log_reg_1"))(rows)
    assert 10_000 == len(expected)
    for answer, wanted in zip(answers, expected, strict=True):
        assert isinstance(wanted, OutcomeAnswer)
        assert wanted.business_outcome == answer["business_outcome"]
        assert math.isclose(wanted.phat, answer["phat"], rel_tol=0, abs_tol=1e-12)


def test_what_was_not_sent_does_not_come_back(served: Tiers) -> None:
    """A key that is left out, one that is null and one that is empty are answered alike but for the repetition."""
    url = f"{served.front.url}/outcome/predict"
    sent: list[dict[str, Any]] = [{"x12": "$1,234.56"}, {"x99": None, "x12": "$1,234.56"}, {"x12": " 1234.56", "x5": ""}]
    answers = post(url, sent).json
    assert 1 == len({answer["phat"] for answer in answers})
    assert sent == [{name: value for name, value in answer.items() if name.startswith("x")} for answer in answers]


def test_reasons(served: Tiers) -> None:
    """`?explain=true` tells what each input adds, to 1e-9; without it nothing of that travels."""
    url, row = f"{served.front.url}/outcome/predict", _rows(1)[0]
    plain, explained = post(url, row).json, post(f"{url}?explain=true", row).json
    reasons = explained.pop("reasons")
    assert plain == explained
    logit = math.log(plain["phat"] / (1 - plain["phat"]))
    assert math.isclose(logit, reasons["intercept"] + math.fsum(reasons["inputs"].values()), rel_tol=0, abs_tol=1e-9)
    assert [f"x{column}" for column in range(100)] == list(reasons["inputs"])


def test_reasons_of_trees(served: Tiers) -> None:
    """A version that is not linear answers, and refuses reasons with a problem of their own; the linear one beside it gives them."""
    url, row = f"{served.front.url}/credit/versions/{{}}/predict", applicant()
    assert "reasons" in post(url.format("log_reg_1") + "?explain=true", row).json
    assert {"decision", "phat", "model_name", *row} == post(url.format("boosted_trees_1"), row).json.keys()
    refused = problem(post(url.format("boosted_trees_1") + "?explain=true", row), 422, "not-explainable")
    assert "ask without explain, or pin a linear version" in refused["detail"]


@pytest.mark.parametrize(
    ("cell", "pointer"),
    [({"x5": "someday"}, "/1/x5"), ({"x12": "12 dollars"}, "/1/x12"), ({"x0": "NaN"}, "/1/x0"), ({"x100": 1}, "/1/x100")],
)
def test_cell_that_means_nothing(served: Tiers, cell: dict[str, Any], pointer: str) -> None:
    """A word that is on no list, or text that is no number, is pointed at, and not repeated."""
    answered = post(f"{served.front.url}/outcome/predict", [{}, cell])
    made = problem(answered, 422, "invalid-input")
    assert [pointer] == [fault["pointer"] for fault in made["errors"]]
    assert not any(str(value) in json.dumps(made["errors"]) for value in cell.values() if isinstance(value, str))


def test_docs_show_what_is_answered(served: Tiers) -> None:
    """The document's example of an answer repeats its row, in alphabetical order, as real answers do."""
    paths = ask(served.front.url + "/openapi.json").json["paths"]["/outcome/predict"]["post"]
    example = paths["responses"]["200"]["content"]["application/json"]["examples"]["row"]["value"]
    assert _alphabetical(example) and {"business_outcome", "model_name", "x12"} <= example.keys()
    assert {"explain", "partial"} <= {each["name"] for each in paths["parameters"] if each["in"] == "query"}

"""A family whose trainings wait until they are let go, so that a test can look at them while they run."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.integration.model_server_calls import eventually
from tests.processes import Tier

_FAMILY = '''
"""A family whose fit waits for a file, and ends as the file says."""
import os
import time
from pathlib import Path

from sklearn.linear_model import LogisticRegression

from twotier.datasets import csv_dataset
from twotier.family import Answer, Example, Family, Gate, Row, feature


class HeldRow(Row):
    a: float = feature("A number", example=1.0)


class HeldAnswer(Answer):
    label: str


class Held(LogisticRegression):
    def fit(self, X, y):
        print("what a library prints")
        letter = Path(os.environ["TWOTIER_DATA"], "letter")
        while not letter.exists():
            time.sleep(0.02)
        if letter.read_text() == "raise":
            raise ArithmeticError("secret")
        if letter.read_text() == "leave":
            os._exit(3)
        return super().fit(X, y)

    def __getstate__(self):
        while Path(os.environ["TWOTIER_DATA"], "letter").read_text() == "hold":
            time.sleep(0.02)
        return super().__getstate__()

    def __setstate__(self, state):
        while checked and Path(os.environ["TWOTIER_DATA"], "letter").read_text() == "promote":
            time.sleep(0.02)
        super().__setstate__(state)


checked = []


def let_go(predict):
    while Path(os.environ["TWOTIER_DATA"], "letter").read_text() == "judge":
        time.sleep(0.02)
    checked.append(True)
    return True


FAMILY = Family(
    name="held",
    summary="Whether a number is positive, when it is let go",
    row=HeldRow,
    answer=HeldAnswer,
    estimators={"first": Held, "second": Held, "third": Held},
    dataset=csv_dataset("raw/held.csv", target="label", columns={"a": float, "label": str}),
    decide=lambda scores, card: HeldAnswer(label=card.classes[scores[1] > 0.5]),
    gate=Gate(metric="accuracy", floor=0.5, checks={"let_go": let_go}),
    examples=(
        Example(row={"a": 9.0}, answer={"label": "yes"}),
        Example(row={"a": -9.0}, answer={"label": "no"}),
    ),
)
'''


def with_held_family(data: Path) -> dict[str, str]:
    """Write the family and its raw data; what the environment of the tiers must have."""
    families = data / "families"
    families.mkdir(parents=True)
    (families / "held.py").write_text(_FAMILY)
    (data / "raw").mkdir(exist_ok=True)
    rows = [f"{a},{'yes' if a > 0 else 'no'}" for a in range(-20, 21)]
    (data / "raw" / "held.csv").write_text("\n".join(["a,label", *rows]) + "\n")
    return {"TWOTIER_FAMILIES": str(families)}


def let_go(data: Path, how: str = "fit") -> None:
    """Let every fit go on: `fit`, `raise` an error, `leave` without a word, or stop again: `hold` before publishing, `judge` after it, or
    `promote`, when the verdict is written down.
    """
    (data / "letter.new").write_text(how)
    (data / "letter.new").rename(data / "letter")


def trainings(service: Tier) -> list[psutil.Process]:
    """The trainings that the service has running."""
    return [child for child in psutil.Process(service.process.pid).children() if "model_training.job" in " ".join(child.cmdline())]


def one_training(service: Tier) -> psutil.Process:
    """The one that it has, once it has it."""
    assert eventually(lambda: len(trainings(service)) == 1)
    return trainings(service)[0]

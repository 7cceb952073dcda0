"""Calls to a real model server, and a family whose model takes its time when it is told to."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROW = [5.0, 2.0, 3.0, 4.0]

PATIENCE = 60.0
"""How long a test waits for what must come: no claim about how long it takes."""

SLOW_FAMILY = '''
"""A family whose model sleeps for as long as a row says, and cannot bear 13."""
import time
from twotier.datasets import csv_dataset
from twotier.family import Answer, Example, Family, Gate, Row, feature
from sklearn.base import BaseEstimator, ClassifierMixin
import numpy as np


class SlowRow(Row):
    a: float = feature("A number", example=1.0)
    seconds: float = feature("How long to sleep", example=0.0)


class SlowAnswer(Answer):
    positive: bool
    a: float


class Sleeper(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        time.sleep(X[:, 1].max())
        if (X[:, 0] == 13).any():
            raise ArithmeticError("thirteen")
        positive = 1 / (1 + np.exp(-X[:, 0]))
        return np.column_stack([1 - positive, positive])


FAMILY = Family(
    name="slow",
    summary="Whether a number is positive, in due time",
    row=SlowRow,
    answer=SlowAnswer,
    estimators={"sleeper": Sleeper},
    dataset=csv_dataset("raw/slow.csv", target="label", columns={"a": float, "seconds": float, "label": str}),
    decide=lambda scores, card: SlowAnswer(positive=scores[1] > 0.5, a=scores[1]),
    gate=Gate(metric="accuracy", floor=0.5),
    examples=(
        Example(row={"a": 2.0, "seconds": 0.0}, answer={"positive": True}),
        Example(row={"a": -2.0, "seconds": 0.0}, answer={"positive": False}),
    ),
)
'''


def with_slow_family(data: Path, families: Path) -> Path:
    """Write the family and its raw data, and train it into the data folder."""
    from model_training import train
    from twotier.registry import Registry, RegistrySettings
    from twotier.settings import SharedSettings

    families.mkdir()
    (families / "slow.py").write_text(SLOW_FAMILY)
    rows = [f"{a},0,{'yes' if a > 0 else 'no'}" for a in range(-20, 21) if a != 13]
    (data / "raw" / "slow.csv").write_text("\n".join(["a,seconds,label", *rows]) + "\n")
    registry = Registry.open(RegistrySettings.read(), SharedSettings.read(data=data, families=families))
    try:
        train(registry, registry.families["slow"], data=data)
        assert {"champion": "sleeper_1"} == registry.aliases("slow")
    finally:
        registry.close()
    return families


def block(*rows: Sequence[Any], family: str = "iris", version: str = "champion", **more: Any) -> dict[str, Any]:
    """A block of rows."""
    return {"family": family, "version": version, "rows": [list(row) for row in rows], **more}


def post(url: str, path: str, body: Any, content_type: str = "application/json") -> tuple[int, Any]:
    """One POST on a connection of its own: status and JSON."""
    address = urllib.parse.urlsplit(url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE)
    try:
        connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode(), {"Content-Type": content_type})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def score(url: str, *blocks: dict[str, Any]) -> list[Any]:
    """Score blocks; the call succeeds."""
    status, results = post(url, "/score", {"blocks": blocks})
    assert 200 == status, results
    assert isinstance(results, list)
    return results


def version_of(url: str, name: str = "champion") -> str:
    """The version that answers for a name; it has really answered."""
    (result,) = score(url, block(ROW, version=name))
    assert "Iris-virginica" == result["answers"][0]["output"]
    return str(result["version"])


def info(url: str) -> Any:
    """What the server says of itself."""
    status, said = post(url, "/info", {})
    assert 200 == status
    return said


def champion(url: str) -> Any:
    """What it says of the champion of iris."""
    return info(url)["families"]["iris"]["aliases"]["champion"]


def metric(url: str, pattern: str) -> float:
    """The sum of the samples whose names and labels match."""
    text = urllib.request.urlopen(url + "/metrics", timeout=PATIENCE).read().decode()
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(pattern, line))


def eventually(true: Callable[[], bool]) -> bool:
    """Whether it comes true while anybody has patience."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """The outcomes of calls that start together; an exception stands for itself."""
    together = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        together.wait(PATIENCE)
        try:
            return call()
        except OSError as error:
            return error
        except http.client.HTTPException as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@dataclass
class Traffic:
    """Callers who ask for the champion all the time; they remember every version that answered and every failure."""

    url: str
    callers: int = 4
    versions: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> Traffic:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(self.callers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.versions.append(version_of(self.url))
            except Exception as error:
                self.failures.append(repr(error))

"""The real `twotier promote` while callers call: the new version answers within a moment, and nobody is refused meanwhile."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.asking import ask, post
from tests.e2e.callers import Callers
from tests.e2e.tiers import ROW, Tiers, answer, tiers
from tests.folders import registry_over


@pytest.fixture(scope="module")
def running(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiers]:
    """Both tiers over data of their own, as they are by default."""
    folder = tmp_path_factory.mktemp("promote")
    with tiers(Path(shutil.copytree(trained, folder / "data")), folder) as started:
        yield started


def changes(callers: Callers, caller: int) -> list[bytes]:
    """What one caller was answered, repetitions left out."""
    return [body for body, _ in groupby(call.body for call in callers.calls if call.caller == caller)]


def test_promoted_and_rolled_back(running: Tiers, measured: Callable[[str, float], None]) -> None:
    """`model_name` changes with each promotion, once for each caller; every call of all is answered right, by the one or the other."""
    with Callers(running.predict, ROW) as callers:
        callers.wait_for(50, body=answer("log_reg_1"))
        printed = []
        for version in ("log_reg_2", "log_reg_1"):
            printed.append(running.runs(f"twotier promote iris {version} --who somebody --why trying"))
            callers.wait_for(50, body=answer(version))
    with registry_over(running.data) as registry:
        moves = registry.history("iris", "champion")

    assert {200} == callers.statuses()
    assert {answer("log_reg_1"), answer("log_reg_2")} == {call.body for call in callers.calls}
    assert [[answer(f"log_reg_{number}") for number in (1, 2, 1)]] * 4 == [changes(callers, caller) for caller in range(4)]
    assert ["iris: champion was log_reg_1 and is now log_reg_2\n", "iris: champion was log_reg_2 and is now log_reg_1\n"] == printed
    assert [("log_reg_1", "somebody", "trying"), ("log_reg_2", "somebody", "trying")] == [
        (move.to_version, move.who, move.why) for move in moves[:2]
    ]

    first = min(call.done_at for call in callers.calls if call.body == answer("log_reg_2"))
    measured("from a promotion to its first answer", first + time.time() - time.monotonic() - moves[1].at.timestamp())


def test_a_refused_promotion_changes_nothing(running: Tiers) -> None:
    """The negative control: a version that does not exist is not promoted, in words, and the old one goes on without a failed call."""
    with Callers(running.predict, ROW) as callers:
        said = running.runs("twotier promote iris log_reg_9 2>&1 && exit 1 || exit 0")
        callers.wait_for(50)

    assert said.startswith("twotier: iris has no such version or alias; it has: ")
    assert ({200}, {answer("log_reg_1")}) == (callers.statuses(), {call.body for call in callers.calls})


def test_another_alias_moves_alone(running: Tiers) -> None:
    """A challenger is made and pinned by its name, while the champion stays."""
    running.runs("twotier promote iris log_reg_2 --alias challenger")
    with Callers(f"{running.front.url}/iris/versions/challenger/predict", ROW, count=1) as callers:
        callers.wait_for(1, body=answer("log_reg_2"))

    # Until the alias is known, there is no version of that name.
    assert {200, 404} >= callers.statuses()
    assert answer("log_reg_1") == post(running.predict, ROW).body
    aliases = ask(running.front.url + "/models/iris").json["aliases"]
    assert {"champion": "log_reg_1"}.items() <= {name: one["serving"] for name, one in aliases.items()}.items()

"""The training service as the process it is: one training per estimator, keys, bounds, ends of all kinds, and no process left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.asking import ask
from tests.folders import registry_over
from tests.held import let_go, one_training, trainings, with_held_family
from tests.integration.model_server_calls import at_once, eventually, post
from tests.processes import START_SECONDS, Tier, training


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in which the family `held` can be trained."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def service(data: Path, tmp_path: Path) -> Iterator[Tier]:
    """A service that runs one training at a time, lets one more wait, and remembers two."""
    bounds = {"TRAINING_MAX_WAITING": "1", "TRAINING_REMEMBERED": "2"}
    with training(data, tmp_path / "log", **with_held_family(data), **bounds) as tier:
        yield tier


def start(tier: Tier, estimator: str = "first", **more: Any) -> Any:
    """Order a training."""
    status, job = post(tier.url, "/train", {"family": "held", "estimator": estimator, **more})
    assert 200 == status
    return job


def look(tier: Tier, job: Any, seconds: float = 0) -> Any:
    """How far a job has come, at the latest after so many seconds."""
    return post(tier.url, "/job", {"id": job["id"], "wait_seconds": seconds})[1]


def end_of(tier: Tier, job: Any) -> Any:
    """The job when it has ended."""
    assert eventually(lambda: bool(look(tier, job, 60)["ended_at"]))
    return look(tier, job)


def reach_fit(tier: Tier, job: Any) -> psutil.Process:
    """Wait until a job is being fitted; its process."""
    assert eventually(lambda: look(tier, job)["stage"] == "fit")
    return one_training(tier)


def versions(data: Path) -> list[str]:
    """The files of versions, temporary ones included."""
    return sorted(path.name for path in (data / "models").glob("held/*"))


def recorded(data: Path) -> list[str]:
    """The versions that the ledger has metrics of."""
    with contextlib.closing(sqlite3.connect(data / "database.sqlite")) as ledger:
        found = ledger.execute("SELECT DISTINCT estimator, number FROM version JOIN metric ON version_id = id ORDER BY number").fetchall()
        (others,) = ledger.execute("SELECT count(*) FROM metric WHERE version_id NOT IN (SELECT id FROM version)").fetchone()
    assert 0 == others
    return [f"{estimator}_{number}" for estimator, number in found]


def verdicts(data: Path) -> int:
    """How many versions are judged."""
    with contextlib.closing(sqlite3.connect(data / "database.sqlite")) as ledger:
        (count,) = ledger.execute("SELECT count(gate_passed) FROM version").fetchone()
    return int(count)


def test_a_training_from_order_to_version(service: Tier, data: Path) -> None:
    """It is told how far it is while it runs, in a process of which every thread stands back, and in the end what came of it."""
    job = start(service)
    process = reach_fit(service, job)
    running = look(service, job)
    assert ("running", 0.2) == (running["status"], running["progress"])
    threads = {thread.id: os.getpriority(os.PRIO_PROCESS, thread.id) for thread in process.threads()}
    assert len(threads) > 1 and {1} == set(threads.values())
    let_go(data)
    ended = end_of(service, job)

    assert ("succeeded", 1.0, None) == (ended["status"], ended["progress"], ended["failure"])
    trained = ended["trained"]
    assert ("first_1", True, True) == (trained["version"], trained["gate_passed"], trained["champion"])
    assert {"train", "test"} == trained["metrics"].keys() and "passed: all 2 examples" in " ".join(trained["gate_findings"])
    second = end_of(service, start(service))
    assert ("first_2", False) == (second["trained"]["version"], second["trained"]["champion"])
    assert ["first_1", "first_2"] == versions(data)


def test_ten_orders_at_once_are_one_job(service: Tier, data: Path) -> None:
    """All get the same job; one that is ordered after its end is another."""
    jobs = at_once([lambda: start(service)] * 10)
    assert 1 == len({job["id"] for job in jobs})
    let_go(data)
    end_of(service, jobs[0])

    assert end_of(service, start(service))["id"] != jobs[0]["id"]
    assert ["first_1", "first_2"] == versions(data)


def test_a_key_gets_the_same_job_for_good(service: Tier, data: Path) -> None:
    """While it runs and after; for another estimator the key is refused, and without it a new job is made."""
    let_go(data)
    job = start(service, key="k")
    end_of(service, job)

    assert job["id"] == start(service, key="k")["id"]
    assert "key_reused" == start(service, "second", key="k")["refused"]
    assert job["id"] != start(service)["id"]


def test_too_many_are_refused(service: Tier, data: Path) -> None:
    """One runs and one waits; a third is refused, which leaves no trace, and taken when there is room."""
    first, second = start(service), start(service, "second")
    assert ("busy", "queued") == (start(service, "third", key="k")["refused"], look(service, second)["status"])
    let_go(data)
    assert ["succeeded"] * 2 == [end_of(service, job)["status"] for job in (first, second)]
    assert "succeeded" == end_of(service, start(service, "third", key="k"))["status"]


def test_the_last_ended_jobs_are_remembered(service: Tier, data: Path) -> None:
    """The third job that ends makes the first be forgotten, and with it its key."""
    let_go(data)
    jobs = [end_of(service, start(service, name, key=name)) for name in ("first", "second", "third")]

    assert "unknown_job" == look(service, jobs[0])["refused"]
    assert jobs[1:] == [look(service, job) for job in jobs[1:]]
    assert jobs[0]["id"] != start(service, "first", key="first")["id"]


def test_cancel(service: Tier, data: Path) -> None:
    """A job that runs is ended, process and all, and one that waits never begins; one that has ended stays as it is."""
    first, second = start(service), start(service, "second")
    process = reach_fit(service, first)
    cancelled = [post(service.url, "/cancel", {"id": job["id"], "wait_seconds": 60})[1] for job in (second, first, first)]

    assert ["cancelled"] * 3 == [job["status"] for job in cancelled]
    assert cancelled[1] == cancelled[2] == look(service, first)
    assert not process.is_running()
    assert ([], []) == (trainings(service), versions(data))
    let_go(data)
    assert "succeeded" == end_of(service, start(service))["status"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("raise", "ArithmeticError: see the training service's log"),
        ("leave", "the training ended with code 3, and made no version that could serve"),
        ("kill", "the training was ended by SIGKILL, and made no version that could serve"),
        ("fit", None),
    ],
)
def test_how_a_training_ends(service: Tier, data: Path, how: str, words: str | None) -> None:
    """Whatever ends it is said without its inside, and nothing is left behind; with no fault, there is a version."""
    job = start(service)
    process = reach_fit(service, job)
    if how == "kill":
        process.kill()
    else:
        let_go(data, how)
    ended = end_of(service, job)

    assert ("failed" if words else "succeeded", words) == (ended["status"], ended["failure"])
    assert ([] if words else ["first_1"]) == versions(data)
    assert "secret" not in str(ended)
    assert eventually(lambda: trainings(service) == [])


def test_killed_while_it_publishes(service: Tier, data: Path) -> None:
    """What was half written goes."""
    job = start(service)
    process = reach_fit(service, job)
    let_go(data, "hold")
    assert eventually(lambda: look(service, job)["stage"] == "publish")
    (data / "models" / "held" / ".first_1.new.tmp").mkdir(parents=True)
    process.kill()
    ended = end_of(service, job)

    assert ("failed", []) == (ended["status"], versions(data))
    assert "the training was ended by SIGKILL, and made no version that could serve" == ended["failure"]
    let_go(data)
    assert "first_1" == end_of(service, start(service))["trained"]["version"]


@pytest.mark.parametrize("how", ["kill", "cancel"])
def test_ended_while_it_is_judged(service: Tier, data: Path, how: str) -> None:
    """The version that was there already, but not judged, goes with its record and files; the ones before and after it stay."""
    let_go(data)
    end_of(service, start(service))
    let_go(data, "judge")
    job = start(service)
    assert eventually(lambda: look(service, job)["stage"] == "judge")
    assert ["first_1", "first_2"] == versions(data) == recorded(data)
    if how == "kill":
        one_training(service).kill()
    else:
        post(service.url, "/cancel", {"id": job["id"]})
    ended = end_of(service, job)

    if how == "kill":
        assert ("failed", "the training was ended by SIGKILL, and made no version that could serve") == (ended["status"], ended["failure"])
    else:
        assert ("cancelled", None) == (ended["status"], ended["failure"])
    assert ["first_1"] == versions(data) == recorded(data)
    let_go(data)
    assert "first_2" == end_of(service, start(service))["trained"]["version"]
    assert ["first_1", "first_2"] == versions(data) == recorded(data)


def test_cancelled_once_it_may_serve(data: Path, tmp_path: Path) -> None:
    """When the verdict is written down, it is too late: the version serves, and the job says so rather than that it was cancelled."""
    with training(data, tmp_path / "log", TRAINING_STOP_SECONDS="60", **with_held_family(data)) as tier:
        let_go(data, "promote")
        job = start(tier)
        assert eventually(lambda: look(tier, job)["stage"] == "record")
        process = one_training(tier)
        assert None is post(tier.url, "/cancel", {"id": job["id"], "wait_seconds": 1})[1]["ended_at"]
        assert process.is_running()
        let_go(data)
        ended = end_of(tier, job)

    assert ("succeeded", "first_1", True) == (ended["status"], ended["trained"]["version"], ended["trained"]["champion"])


def test_cancelled_and_killed_once_it_may_serve(data: Path, tmp_path: Path) -> None:
    """If it must be killed then, nobody knows what came of it, and it is not said that it was cancelled. The version stays."""
    with training(data, tmp_path / "log", TRAINING_STOP_SECONDS="0.2", **with_held_family(data)) as tier:
        let_go(data, "promote")
        job = start(tier)
        assert eventually(lambda: look(tier, job)["stage"] == "record" and verdicts(data) == 1)
        post(tier.url, "/cancel", {"id": job["id"]})
        ended = end_of(tier, job)

    words = "before it told what came of it; a version of it is there only if its verdict was written down by then"
    assert ("failed", f"the training was ended by SIGKILL {words}") == (ended["status"], ended["failure"])
    assert ["first_1"] == versions(data) == recorded(data)


def test_data_that_cannot_be_trained_on(service: Tier, data: Path) -> None:
    """What whoever has the data can mend is said in words."""
    (data / "raw" / "held.csv").write_text("a,label\n1,yes\nx,no\n")
    ended = end_of(service, start(service))

    assert "failed" == ended["status"]
    assert "raw/held.csv" in ended["failure"] and "row 2, column a" in ended["failure"]


def test_a_bad_question(service: Tier) -> None:
    """Other families, other media types, what is no JSON, and bodies without end are refused, and nothing begins."""
    assert ["unknown_family"] * 2 == [start(service, **wrong)["refused"] for wrong in ({"estimator": "x"}, {"family": "x"})]
    assert 415 == ask(service.url + "/train", "POST", b"{}", {"Content-Type": "text/plain"}).status
    statuses = [
        ask(service.url + "/train", "POST", body, {"Content-Type": "application/json"}).status for body in (b"{", b"{}", b" " * 100_000)
    ]
    assert [400, 400, 413] == statuses
    assert [] == trainings(service)


def test_asked_to_end(data: Path, tmp_path: Path) -> None:
    """On SIGTERM nobody is kept waiting, trainings end, and the service ends with 0."""
    with training(data, tmp_path / "log", **with_held_family(data)) as tier:
        job = start(tier)
        process = reach_fit(tier, job)

        def end() -> None:
            time.sleep(0.5)
            tier.send(signal.SIGTERM)

        told, _ = at_once([lambda: look(tier, job, 60), end])
        assert (0, "running") == (tier.process.wait(START_SECONDS), told["status"])
    assert not process.is_running()
    assert [] == versions(data)


def test_killed(data: Path, tmp_path: Path) -> None:
    """If the service itself is killed, its trainings end too."""
    with training(data, tmp_path / "log", **with_held_family(data)) as tier:
        process = reach_fit(tier, start(tier))
        tier.send(signal.SIGKILL)
        tier.process.wait()
        assert eventually(lambda: not process.is_running())
        let_go(data)
    with registry_over(data) as registry:
        assert "held" not in registry.families and [] == versions(data)


@pytest.mark.parametrize(("letter", "stage"), [("hold", "publish"), ("judge", "judge")])
def test_killed_while_it_leaves_something(data: Path, tmp_path: Path, letter: str, stage: str) -> None:
    """If the service is killed when its training has begun to write, the training tidies up itself before it goes, and hurts no other."""
    with training(data, tmp_path / "log", **with_held_family(data)) as tier:
        let_go(data)
        end_of(tier, start(tier))
        let_go(data, letter)
        job = start(tier)
        assert eventually(lambda: look(tier, job)["stage"] == stage)
        process = one_training(tier)
        if stage == "publish":
            (data / "models" / "held" / ".first_2.new.tmp").mkdir()
        assert 2 == len(versions(data))
        tier.send(signal.SIGKILL)
        tier.process.wait()
        assert eventually(lambda: not process.is_running())
    assert ["first_1"] == versions(data) == recorded(data)


def test_killed_once_it_may_serve(data: Path, tmp_path: Path) -> None:
    """If the service is killed when the verdict is written down, the training ends as if nothing were: its version is the champion."""
    with training(data, tmp_path / "log", **with_held_family(data)) as tier:
        let_go(data, "promote")
        job = start(tier)
        assert eventually(lambda: look(tier, job)["stage"] == "record")
        process = one_training(tier)
        tier.send(signal.SIGKILL)
        tier.process.wait()
        let_go(data)
        assert eventually(lambda: not process.is_running())
    assert ["first_1"] == versions(data) == recorded(data)
    with contextlib.closing(sqlite3.connect(data / "database.sqlite")) as ledger:
        assert 1 == ledger.execute("SELECT count(*) FROM alias").fetchone()[0]
    assert "BrokenPipeError" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("environment", "words"),
    [({"TRAINING_PROT": "1"}, "did you mean TRAINING_PORT?"), ({"TRAINING_HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1:3100")],
    ids=["setting", "address"],
)
def test_a_bad_setting(environment: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be set so is said in one line."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ran = subprocess.run([sys.executable, "-m", "model_training"], capture_output=True, text=True)

    assert (2, 1) == (ran.returncode, len(ran.stderr.splitlines()))
    assert ran.stderr.startswith("twotier training: ") and words in ran.stderr

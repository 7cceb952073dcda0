"""What of the jobs cannot be seen from outside."""

from __future__ import annotations

import asyncio
import importlib
import os
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

import model_training
from model_training import jobs as module
from model_training.jobs import Jobs
from model_training.settings import TrainingSettings
from twotier.wire import JobStatus, TrainingOrder


def order(estimator: str = "log_reg", key: str | None = None) -> TrainingOrder:
    """An order for iris."""
    return TrainingOrder(family="iris", estimator=estimator, key=key)


async def test_a_process_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job fails, and says where to look; it does not hang."""
    monkeypatch.setenv("PATH", "/nowhere")
    jobs = Jobs(TrainingSettings())
    job = await jobs.job((await jobs.start(order())).id, 60)

    assert (JobStatus.FAILED, "FileNotFoundError: see the training service's log") == (job.status, job.failure)


def instead_of_trainings(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the service run a script in the place of each training, by the name of the command with which it starts them."""
    nice = folder / "nice"
    nice.write_text(f"#!/bin/sh\n{script}\n")
    nice.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("TWOTIER_DATA", str(folder / "data"))
    (folder / "data").mkdir()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("echo no JSON", "JSONDecodeError"),
        ("echo '[]'", "TypeError"),
        ("""echo '{"progress": 7}'""", "ValidationError"),
        ("head -c 3000000 /dev/zero | tr '\\\\0' x; echo", "ValueError"),
    ],
    ids=["words", "list", "bounds", "length"],
)
async def test_what_cannot_be_followed_is_ended(line: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that tells what it may not has ended, and all that it might have left is tidied, before its turn is another's."""
    instead_of_trainings(
        tmp_path, f"""echo $$ > {tmp_path}/pid; echo '{{"stage": "publish"}}'; {line}; exec sleep 600""", monkeypatch
    )
    left = tmp_path / "data" / "models" / "iris" / ".log_reg_1.new.tmp"
    left.mkdir(parents=True)
    jobs = Jobs(TrainingSettings())
    job = await jobs.job((await jobs.start(order())).id, 60)

    assert (JobStatus.FAILED, f"{why}: see the training service's log") == (job.status, job.failure)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert not left.exists()


async def test_what_cannot_be_tidied_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job ends all the same, but whoever runs the service is told that something may be left."""
    instead_of_trainings(tmp_path, """echo '{"stage": "publish"}'; exit 3""", monkeypatch)
    monkeypatch.setenv("TWOTIER_FAMILIES", str(tmp_path / "none"))
    jobs = Jobs(TrainingSettings())
    with capture_logs() as logged:
        job = await jobs.job((await jobs.start(order())).id, 60)

    assert (JobStatus.FAILED, "the training ended with code 3, and made no version that could serve") == (job.status, job.failure)
    (told,) = [line for line in logged if line["log_level"] == "error"]
    assert ("not tidied: something of a training may be left", "iris", "log_reg", 1) == (
        told["event"], told["family"], told["estimator"], told["code"]
    )


async def test_keys_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """When there are too many, the first is forgotten; the job that it stood for is still known."""
    monkeypatch.setattr(module, "_MAX_KEYS", 2)
    jobs = Jobs(TrainingSettings(at_once=1, max_waiting=8))
    made = [(await jobs.start(order(name, key=name))).id for name in ("a", "b", "c")]
    again = [(await jobs.start(order(name, key=name))).id for name in ("a", "c")]
    await jobs.close()

    assert [made[0], made[2]] == again
    # Only a key that is remembered is refused for another order.
    with pytest.raises(module.KeyReused):
        await jobs.start(order("a", key="c"))
    assert made[0] != (await jobs.start(order("z", key="b"))).id
    await jobs.close()


async def test_cancelled_and_forgotten() -> None:
    """A job that is forgotten in the moment of its end is answered all the same."""
    jobs = Jobs(TrainingSettings(remembered=1))
    _, *waiting = [(await jobs.start(order(name))).id for name in ("a", "b", "c")]
    last = [await jobs.cancel(identity) for identity in waiting]
    await jobs.close()

    assert [JobStatus.CANCELLED] * 2 == [job.status for job in last]
    with pytest.raises(module.UnknownJob):
        await jobs.job(waiting[0])


async def test_cancelled_while_it_is_being_started() -> None:
    """Before it has a process, there is nothing to end yet; it ends all the same."""
    jobs = Jobs(TrainingSettings())
    job = await jobs.start(order())
    while (await jobs.job(job.id)).status is JobStatus.QUEUED:
        await asyncio.sleep(0)
    first = await jobs.cancel(job.id)

    assert JobStatus.RUNNING is first.status
    assert JobStatus.CANCELLED is (await jobs.job(job.id, 60)).status


async def test_a_training_that_is_deaf_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not end when it is asked to is ended."""
    jobs = Jobs(TrainingSettings(stop_seconds=0))
    job = await jobs.start(order())
    while (await jobs.job(job.id, 0.05)).status is JobStatus.QUEUED:
        pass

    assert JobStatus.CANCELLED is (await jobs.cancel(job.id, 60)).status


@pytest.mark.parametrize("name", ["__main__", "job", "tidy"])
def test_a_program_begins_only_if_it_is_run(name: str) -> None:
    """Imported, it does nothing."""
    assert "main" in vars(importlib.import_module(f"model_training.{name}"))


def test_the_package_has_nothing_else() -> None:
    """`train` is imported when it is asked for; any other name is none."""
    assert callable(model_training.train)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        getattr(model_training, "nothing")

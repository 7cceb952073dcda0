"""`python -m model_training.job FAMILY ESTIMATOR`: one training in a process of its own, which tells its progress line by line.

Each line on standard output is a JSON object of what has changed of the `wire.Job`: `stage` and `progress`, and in the end `trained` or
`failure`; or of `published`, by which `tidy` finds the version if it is never judged. It ends when its standard input does, so that it
never outlives the service that started it, and then tidies up itself: nobody else is there to do it. Only once its verdict is about to be
written down does it go on to its end, whoever wishes it to end: a version that may serve is not to be called cancelled.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any, TextIO

import structlog

from model_training.stages import LAST, UNJUDGED
from model_training.training import train
from twotier.errors import TwotierError
from twotier.logs import configure_logs
from twotier.registry import Registry, RegistrySettings
from twotier.settings import SharedSettings
from twotier.wire import Trained

_log = structlog.get_logger()


class _Course:
    """How far the training has come, for the thread that ends it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        """Held while a stage begins and while it is decided how to end, so that nothing gets its verdict that is being tidied away."""
        self.stage = ""
        self.published: list[str] = []


_course = _Course()


def main(family: str, estimator: str, out: TextIO) -> int:
    """Train, tell it to `out`, and give the exit code: 1 if there is no version."""

    def tell(**changes: Any) -> None:
        # Where nobody listens any more, the thread that waits for just that sees to the end.
        with suppress(BrokenPipeError):
            print(json.dumps(changes), file=out, flush=True)

    try:
        tell(trained=_train(family, estimator, tell).model_dump())
    except TwotierError as error:
        tell(failure=str(error))
        return 1
    except Exception as error:
        _log.exception("the training failed", family=family, estimator=estimator)
        tell(failure=f"{type(error).__name__}: see the training service's log")
        return 1
    return 0


def _train(family: str, estimator: str, tell: Callable[..., None]) -> Trained:
    def progress(stage: str, done: float) -> None:
        with _course.lock:
            if stage in LAST:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            _course.stage = stage
        tell(stage=stage, progress=done)

    def announce(manifest_sha256: str) -> None:
        _course.published = [manifest_sha256]
        tell(published=manifest_sha256)

    shared = SharedSettings.read()
    with closing(Registry.open(RegistrySettings.read(), shared)) as registry:
        version = train(
            registry,
            registry.families[family],
            estimator,
            data=shared.data,
            progress=progress,
            announce=announce,
        )
        assert version.gate is not None, version
        return Trained(
            version=version.name,
            metrics={split: dict(values) for split, values in version.metrics.items()},
            gate_passed=version.gate.passed,
            gate_findings=list(version.gate.findings),
            champion=registry.aliases(family).get("champion") == version.name,
        )


def _end_with_parent(family: str, estimator: str) -> None:
    """Wait until whoever started this process has gone, and go too."""
    os.read(0, 1)
    with _course.lock:
        if _course.stage in UNJUDGED:
            # The training is over with this, as it must be: what still publishes cannot be tidied up after.
            os.execv(sys.executable, [sys.executable, "-m", "model_training.tidy", family, estimator, *_course.published])
        # In the last stages this is not heard, and the training goes on to its end.
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    configure_logs("training")
    threading.Thread(target=_end_with_parent, args=sys.argv[1:3], daemon=True).start()
    # What a library prints must not come between our lines.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.exit(main(sys.argv[1], sys.argv[2], lines))

"""`python -m model_training.job FAMILY ESTIMATOR`: one training in a process of its own, which tells its progress line by line.

Each line on standard output is a JSON object of what has changed of the `wire.Job`: `stage` and `progress`, and in the end `trained` or
`failure`; or of `published`, by which `tidy` finds the version if it is never judged. It ends when its standard input does, so that it
never outlives the service that started it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any, TextIO

import structlog

from model_training.training import train
from twotier.errors import TwotierError
from twotier.logs import configure_logs
from twotier.registry import Registry, RegistrySettings
from twotier.settings import SharedSettings
from twotier.wire import Trained

_log = structlog.get_logger()


def main(family: str, estimator: str, out: TextIO) -> int:
    """Train, tell it to `out`, and give the exit code: 1 if there is no version."""

    def tell(**changes: Any) -> None:
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
    shared = SharedSettings.read()
    with closing(Registry.open(RegistrySettings.read(), shared)) as registry:
        version = train(
            registry,
            registry.families[family],
            estimator,
            data=shared.data,
            progress=lambda stage, done: tell(stage=stage, progress=done),
            announce=lambda manifest_sha256: tell(published=manifest_sha256),
        )
        assert version.gate is not None, version
        return Trained(
            version=version.name,
            metrics={split: dict(values) for split, values in version.metrics.items()},
            gate_passed=version.gate.passed,
            gate_findings=list(version.gate.findings),
            champion=registry.aliases(family).get("champion") == version.name,
        )


def _end_with_parent() -> None:
    """Wait until whoever started this process has gone, and go too."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    configure_logs("training")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # What a library prints must not come between our lines.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.exit(main(sys.argv[1], sys.argv[2], lines))

"""A program: publish once for each line that publishing runs, each time killed by SIGKILL at a line where no other was killed.

`python -m tests.integration.registry.killing DATA` prints one JSON object per publish: `line` (where it was killed; null for the last,
which was not), the `versions` that the ledger has afterwards, and whether an `orphan` (files without a row) or `leftovers` (temporary
files) were left behind.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from tests.unit.registry.kit import IRIS, draft, fitted, opened
from twotier import registry

FOLDER = str(Path(registry.__file__).parent)
FILES = {f"{FOLDER}/{name}.py" for name in ("database", "keys", "ledger", "store")} | {__file__}
"""Those whose lines do something that lasts, and this one, which goes on after the last of them."""

MODEL = fitted()
DRAFT = draft(MODEL)


def main(data: Path) -> None:
    """Publish until a publish is not killed any more."""
    opened(data).close()
    done: set[str] = set()
    while True:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _publish(data, done, writing)
        os.close(writing)
        _, status = os.waitpid(child, 0)
        with os.fdopen(reading) as pipe:
            where = pipe.read()
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps({"line": where if killed else None, **_observe(data)}), flush=True)
        if not killed:
            break
        done.add(where)


def _publish(data: Path, done: set[str], report: int) -> None:
    """Never returns."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in FILES:
            return None
        where = f"{Path(frame.f_code.co_filename).stem}:{frame.f_lineno}"
        if event == "line" and where not in done:
            os.write(report, where.encode())
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    made = opened(data)
    sys.settrace(trace)
    try:
        _publish_and_go_on(made)
    finally:
        os._exit(0)


def _publish_and_go_on(made: registry.Registry) -> None:
    version = made.publish(IRIS, "log_reg", MODEL, DRAFT)
    made.version("iris", version.name)


def _observe(data: Path) -> dict[str, Any]:
    """What a reader sees who comes after the kill. Every version must load, or this program ends with an error."""
    reader = opened(data)
    versions = [reader.load("iris", version.name).card.version for version in reader.versions("iris")]
    reader.close()
    folders = {path.name for path in (data / "models" / "iris").glob("*")}
    return {
        "versions": versions,
        "orphan": sorted(name for name in folders - set(versions) if not name.startswith(".")),
        "leftovers": sorted(name for name in folders if name.startswith(".")),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))

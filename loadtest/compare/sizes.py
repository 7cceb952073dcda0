"""`python -m loadtest.compare.sizes`: which sizes of a lane do best on this machine; the table is what decision 11 is made by.

Every pair of sizes is measured once per round, one after the other, so that whatever else the machine does falls on all of them alike;
what is shown are medians of the rounds.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loadtest.compare.champion import train_champion
from loadtest.compare.environments import programs
from loadtest.compare.measuring import Effort, bulk, closed
from loadtest.compare.tables import table
from loadtest.compare.running import free_ports, running
from loadtest.compare.systems import SYSTEMS, Stage
from loadtest.compare.wrk import require_wrk

TWOTIER = next(system for system in SYSTEMS if system.name == "twotier")

HEAD = ("calls at once", "rows a call", "requests/s at 64", "p99, ms", "at 256", "10,000 rows, s", "lone p99 beside, ms", "alone")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.compare.sizes", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 2, 3, 4, 8], help="GATEWAY_CALLS_PER_LANE (default: 1 2 3 4 8)")
    parser.add_argument("--rows", type=int, nargs="+", default=[64, 256, 1024], help="GATEWAY_ROWS_PER_CALL (default: 64 256 1024)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each pair is measured (default: 3)")
    parser.add_argument("--seconds", type=int, default=3, help="how long each of its points takes (default: 3)")
    given = parser.parse_args(arguments)
    require_wrk()
    pairs = list(itertools.product(given.calls, given.rows))
    found: dict[tuple[int, int], list[list[float]]] = {pair: [] for pair in pairs}
    with tempfile.TemporaryDirectory() as scratch:
        model, data = train_champion(Path(scratch, "data"))
        for _, (calls, rows) in itertools.product(range(given.rounds), pairs):
            os.environ |= {"GATEWAY_CALLS_PER_LANE": str(calls), "GATEWAY_ROWS_PER_CALL": str(rows)}
            stage = Stage(programs=programs, model=model, data=data, folder=Path(scratch), ports=free_ports(4))
            found[calls, rows].append(_measured(stage, Path(scratch, "log"), given.seconds))
    lines = (
        [str(calls), str(rows), *(f"{statistics.median(values):,.4g}" for values in zip(*rounds, strict=True))]
        for (calls, rows), rounds in found.items()
    )
    print(table(HEAD, lines))


def _measured(stage: Stage, log: Path, seconds: int) -> list[float]:
    effort = Effort((), (), warm_seconds=1, closed_seconds=seconds, open_seconds=0, lone_seconds=0, bulk_calls=3, bulk_seconds=seconds)
    with running(TWOTIER, stage, log) as server:
        server.start()
        some, many = (closed(server, connections, seconds, 1) for connections in (64, 256))
        rows = bulk(server, effort)
    alone, beside = (rows[f"single_{how}"]["p99"] for how in ("alone", "beside"))
    return [some["good_per_second"], some["p99"], many["good_per_second"], rows["median_seconds"], beside, alone]


if __name__ == "__main__":
    main()

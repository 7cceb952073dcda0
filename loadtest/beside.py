"""`python -m loadtest.beside`: how long a lone caller of iris waits beside what is large. It renews loadtest/BESIDE.md.

Both tiers and the training service are started with default settings, over a data folder of their own. Each round measures the caller, who
keeps a connection, alone, beside calls of 10,000 full rows of outcome, alone again, and beside a training of outcome. What is large is sent
by another process, so that the caller does not wait for its own client. The exit code is 1 if an answer was wrong.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from loadtest.beside_page import Call, Round, page, within
from loadtest.busy import Busy, a_training, large_calls, megabytes
from loadtest.callers import Caller
from loadtest.compare.champion import RAW
from loadtest.http_target import Target, target
from loadtest.machine import machine
from loadtest.soak import BODY, RIGHT
from loadtest.tiers import tiers


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.beside", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how many there are (default: 5)")
    parser.add_argument("--seconds", type=float, default=8, help="how long the caller is alone, twice a round (default: 8)")
    parser.add_argument("--calls", type=int, default=3, help="how many large calls a round has (default: 3)")
    parser.add_argument("--rows", type=int, default=10_000, help="how many rows each of them has (default: 10,000)")
    parser.add_argument("--page", type=Path, default=Path(__file__).with_name("BESIDE.md"), help="what to write (default: %(default)s)")
    given = parser.parse_args(arguments)
    run = {
        "command": " ".join(["python -m loadtest.beside", *(sys.argv[1:] if arguments is None else arguments)]),
        "started": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        "machine": machine(),
        "rows": given.rows,
    }
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(RAW, Path(scratch, "raw"))
        os.environ["TWOTIER_DATA"] = scratch
        with tiers() as up, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
            run["megabytes"] = other.submit(megabytes, given.rows).result()
            rounds = _rounds(up.url, other, given)
    text = page(run, rounds)
    given.page.write_text(text, encoding="utf-8")
    print(text)
    wrong = [reason for each in rounds for reason in each.wrong()]
    for reason in wrong:
        print(f"wrong: {reason}", file=sys.stderr)
    return int(bool(wrong))


def _rounds(url: str, other: ProcessPoolExecutor, given: argparse.Namespace) -> list[Round]:
    to = target(url + "/iris/predict", BODY)

    def alone() -> list[Call]:
        end = time.monotonic() + given.seconds
        return ask_until(lambda: time.monotonic() >= end, to)

    def beside(what: Callable[..., Busy], *of: Any) -> tuple[list[Call], Busy]:
        pending = other.submit(what, url, *of)
        calls, busy = ask_until(pending.done, to), pending.result()
        return within(busy, calls), busy

    # The first of everything is slower.
    alone()
    beside(large_calls, given.rows, 1)
    rounds = []
    for number in range(1, given.rounds + 1):
        print(f"round {number} of {given.rounds}", file=sys.stderr, flush=True)
        before = alone()
        calls, large = beside(large_calls, given.rows, given.calls)
        rounds.append(Round([*before, *alone()], calls, large, *beside(a_training)))
    return rounds


def ask_until(done: Callable[[], bool], to: Target) -> list[Call]:
    """Ask one call after the other over one connection. Raises ConnectionResetError if that breaks."""
    caller, calls = Caller(to), []
    while not done():
        call = caller.ask()
        if not call.status:
            raise ConnectionResetError("the gateway broke the lone caller's connection off")
        calls.append(Call(call.sent_at, call.seconds, call.status == 200 and RIGHT in call.body))
    caller.close()
    return calls


if __name__ == "__main__":
    sys.exit(main())

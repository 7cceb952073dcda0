"""What training, keeping and asking versions costs on this machine: the tables of docs/explanation, printed in Markdown.

`python -m tests.docs.costs training|versions|models`; trainings are by the engines in turn, of the numbers of rows that `--memory` and
`--stream` give. Each line is measured in a process of its own, so that none pays for another.
Times are of the processor, so that they hold on a machine that does other things too; waiting for a disk is not in them.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import psutil

from model_training import train
from model_training.pipelines.read import read
from model_training.training import ENGINES
from tests.folders import registry_over, with_raw_data
from twotier.families import discover
from twotier.families.outcome import FAMILY as OUTCOME
from twotier.families.outcome import SEED, generate
from twotier.family import Family

MEBI = 2**20

COPIES = 20
"""How often a version is loaded to see what one takes."""

HEADS = {
    "training": ("rows", "engine", "peak memory", "memory per row", "time", "time per row"),
    "versions": ("version", "on disk", "in memory", "to load", "to move an alias to it"),
    "models": ("estimator", "held-out rows", "pickle", "one row", "1,000 rows"),
}

_T = TypeVar("_T")


def many_customers(rows: int) -> Family:
    """The family `outcome`, with as many customers as are wanted, made batch by batch."""
    return replace(OUTCOME, dataset=replace(OUTCOME.dataset, batches=lambda _: generate(SEED, rows)))


def training(rows: int, engine: str) -> Sequence[str]:
    """Train on that many rows: peak memory of the process, how much of that each row took, and the time."""
    before, begun = _peak(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        ENGINES[engine](many_customers(rows), "log_reg", Path(folder), lambda step, done: None)
    seconds, peak = time.process_time() - begun, _peak()
    return (
        f"{rows:,}",
        f"`{engine}`",
        f"{peak / MEBI:,.0f} MiB",
        f"{(peak - before) / rows:,.0f} B",
        f"{seconds:,.0f} s",
        f"{seconds / rows * 1e6:.0f} µs",
    )


def versions(data: Path, family: str, name: str) -> Sequence[str]:
    """Load a version many times: what it takes on disk and in memory, and how long loading it and moving an alias to it takes."""
    size = sum(file.stat().st_size for file in (data / "models" / family / name).iterdir())
    with registry_over(data) as registry:
        kept = [registry.load(family, name)]
        before = psutil.Process().memory_info().rss
        times = [_seconds(lambda: kept.append(registry.load(family, name))) for _ in range(COPIES)]
        grown = psutil.Process().memory_info().rss - before
        moved = _seconds(lambda: registry.promote(family, "earlier", name, who="costs"))
    return f"{family} {name}", _kibi(size), f"{grown / COPIES / MEBI:.2f} MiB", _ms(statistics.median(times)), _ms(moved)


def models(data: Path, family: str, name: str) -> Sequence[str]:
    """Ask a version: its metrics on held-out rows, the size of its pickle, and the time for a row alone and for a thousand at once."""
    with registry_over(data) as registry:
        scorer = registry.load(family, name)
        metrics = registry.version(family, name).metrics["test"]
    size = (data / "models" / family / name / "model.pkl").stat().st_size
    rows = read(scorer.family, data).rows
    thousand = (rows * (1_000 // len(rows) + 1))[:1_000]
    alone = statistics.median(_seconds(lambda: scorer.answers([row])) for row in thousand[:300])
    together = statistics.median(_seconds(lambda: scorer.answers(thousand)) for _ in range(9))
    told = ", ".join(f"{metric} {value:.3f}" for metric, value in metrics.items())
    return f"{family} {scorer.card.estimator}", told, _kibi(size), _ms(alone), _ms(together)


def table(what: str, rows: Mapping[str, Sequence[int]], families: Iterable[Family]) -> Iterator[str]:
    """The lines of one of the tables; `rows` is, by engine, how many there are to be in each training; the others are about `families`."""
    yield from _lines(HEADS[what], ["---"] * len(HEADS[what]))
    if what == "training":
        for engine, counts in rows.items():
            for count in counts:
                yield from _lines(_alone(training, count, engine))
        return
    with tempfile.TemporaryDirectory() as folder:
        data = with_raw_data(Path(folder, "data"))
        with registry_over(data) as registry:
            trained = [train(registry, family, estimator, data=data) for family in families for estimator in family.estimators]
        for version in trained:
            yield from _lines(_alone(versions if what == "versions" else models, data, version.family, version.name))


def _lines(*rows: Iterable[str]) -> Iterator[str]:
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _alone(measure: Callable[..., _T], *given: object) -> _T:
    """Call it in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, *given).result()


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"


def _kibi(size: int) -> str:
    return f"{size / 1024:,.1f} KiB"


def _peak() -> int:
    """The most memory that this process has held, in bytes. Linux counts it in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=HEADS)
    options.add_argument("--memory", type=int, nargs="*", default=[40_000, 500_000])
    options.add_argument("--stream", type=int, nargs="*", default=[40_000, 500_000, 2_000_000])
    given = options.parse_args()
    for line in table(given.what, {engine: getattr(given, engine) for engine in ENGINES}, discover().values()):
        print(line, flush=True)

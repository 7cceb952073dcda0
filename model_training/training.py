"""One training from raw data to a judged version."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from model_training.gate import CHAMPION, best, judge
from model_training.pipelines import memory, stream
from model_training.pipelines.trained import Progress
from twotier.errors import AliasMoved, ConfigurationError
from twotier.family import Family
from twotier.registry import Registry, Version

ENGINES = {"memory": memory.run, "stream": stream.run}
"""What fits an estimator: with all rows in memory at once, or with rows on disk and a few of them in memory."""


def _silent(*told: object) -> None:
    """Tell nobody."""


def train(
    registry: Registry,
    family: Family,
    estimator: str | None = None,
    *,
    data: Path,
    engine: str = "memory",
    progress: Progress = _silent,
    announce: Callable[[str], None] = _silent,
) -> Version:
    """Train a version of the family's estimator (by default its first) on the raw data in the folder `data`, publish and judge it.

    It becomes champion if it passed the gate and there is no champion yet; else it stays a candidate. `progress` is told each step and
    the share of the whole (0 to 1) that is done. Whoever trains the family twice on the same data gets the same metrics.

    Raises ConfigurationError for an unknown estimator or engine, for an estimator that the engine cannot fit, and for raw data that cannot
    be read or trained on. Until it is published a training leaves nothing behind; killed between publishing and judging it leaves a version
    that does not serve and cannot be promoted, which `Registry.tidy` takes away, given what `announce` was told. From the step `record` on
    its verdict is written down, and who ends it can no longer know whether there is a version that serves.
    """
    estimator = estimator or family.default_estimator
    if estimator not in family.estimators:
        raise ConfigurationError(f"{family.name} has no estimator of that name; it has: {', '.join(family.estimators)}")
    if engine not in ENGINES:
        raise ConfigurationError(f"there is no engine of that name; there are: {', '.join(ENGINES)}")
    trained = ENGINES[engine](family, estimator, data, progress)
    progress("publish", 0.7)
    registry.mirror(family, data)
    version = registry.publish(family, estimator, trained.model, trained.draft, announce=announce)
    progress("judge", 0.8)
    report = judge(registry, version, trained.held_out)
    progress("record", 0.95)
    version = registry.record_gate(version, report)
    if report.passed and CHAMPION not in registry.aliases(family.name):
        # Another training may have been first in the meantime.
        with suppress(AliasMoved):
            registry.promote(
                family.name, CHAMPION, version.name, who="training", why="the first version that passed its gate", expected=None
            )
    progress("done", 1.0)
    return version


def train_all(
    registry: Registry, family: Family, *, data: Path, engine: str = "memory", progress: Progress = _silent
) -> list[Version]:
    """Train a version of each of the family's estimators.

    If the family had no champion, the best of those that passed the gate is it in the end. A champion that was there before stays.
    """
    had_champion = CHAMPION in registry.aliases(family.name)
    versions: list[Version] = []

    def tell(step: str, done: float) -> None:
        progress(step, (len(versions) + done) / len(family.estimators))

    for estimator in family.estimators:
        versions.append(train(registry, family, estimator, data=data, engine=engine, progress=tell))
    found = best(family, versions)
    if found is not None and not had_champion:
        winner, why = found
        registry.promote(family.name, CHAMPION, winner.name, who="training", why=why)
    return versions

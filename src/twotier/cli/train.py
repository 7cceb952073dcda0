"""`twotier train`: make a version and put it through its gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from twotier.cli.registry import open_registry

if TYPE_CHECKING:
    from twotier.family import Family
    from twotier.registry import Registry, Version


def train(
    family: Annotated[str | None, typer.Argument(help="The family to train, such as `iris`.", show_default=False)] = None,
    estimator: Annotated[str | None, typer.Option(help="How to solve it; the family's first estimator if not given.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Train every estimator of the family.")] = False,
    engine: Annotated[str, typer.Option(help="`memory`, or `stream` for more rows than fit in memory.")] = "memory",
    missing: Annotated[bool, typer.Option("--missing", help="Instead: train all of every family that has no champion.")] = False,
) -> None:
    """Train a family: fit, evaluate on held-out rows, publish a version, run its gate.

    The first version that passes becomes the family's champion; a later one waits for `twotier promote`. Where several estimators are
    trained together for a family without a champion, it is the one with the most of the gate's metric on the held-out rows.
    The exit code is 1 if the gate refused all that was trained of a family.

    Examples:

    - `twotier train iris`
    - `twotier train iris --estimator log_reg`
    - `twotier train credit --all`
    - `twotier train outcome --engine stream`
    - `twotier train --missing`
    """
    if (family is None) != missing:
        raise typer.BadParameter("name a family, or give --missing")
    if estimator is not None and (every or missing):
        raise typer.BadParameter("name an estimator, or have all of them trained")
    with open_registry() as registry:
        wanted = [name for name in registry.families if "champion" not in registry.aliases(name)] if family is None else [family]
        passed = [_train(registry, registry.families[name], estimator, every or missing, engine) for name in wanted]
    if not all(passed):
        raise typer.Exit(1)


def _train(registry: Registry, family: Family, estimator: str | None, every: bool, engine: str) -> bool:
    """Train one family behind a progress bar, print what came of it, and say whether any of it passed its gate."""
    from rich.console import Console
    from rich.progress import Progress

    from model_training import train as make
    from model_training import train_all
    from twotier.settings import SharedSettings

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(family.name, total=1.0)
        data = SharedSettings.read().data

        def progress(stage: str, done: float) -> None:
            bar.update(task, completed=done, description=f"{family.name}: {stage}")

        if every:
            versions = train_all(registry, family, data=data, engine=engine, progress=progress)
        else:
            versions = [make(registry, family, estimator, data=data, engine=engine, progress=progress)]
    champion = registry.aliases(family.name).get("champion")
    for version in versions:
        report(version, champion)
    return any(version.gate is not None and version.gate.passed for version in versions)


def report(version: Version, champion: str | None) -> None:
    """Print a version that has been judged."""
    assert version.gate is not None, version
    print(f"{version.family} {version.name}")
    for split, metrics in sorted(version.metrics.items(), reverse=True):
        print(f"  {split:5}  " + "  ".join(f"{metric} {value:.5f}" for metric, value in metrics.items()))
    print(f"  gate   {'passed' if version.gate.passed else 'REFUSED'}")
    for finding in version.gate.findings:
        print(f"         - {finding}")
    if version.name == champion:
        print("  it is the champion")
    elif version.gate.passed:
        print(f"  the champion is {champion}; to change it: twotier promote {version.family} {version.name}")
